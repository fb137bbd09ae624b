"""Who says that an object is made from elsewhere: the marks that GitOps tools and Helm leave on it, in words.

The marks are text that anybody who may edit the object can write. They are told to whoever reads the case; whether a
change would be put back is for the guardrails to decide.
"""

from __future__ import annotations

import msgspec

from incidents.objects import Manifest
from incidents.proposals import Diagnosis

_MARKS = (
    ("argocd.argoproj.io/", "Argo CD"),
    ("kustomize.toolkit.fluxcd.io/", "Flux"),
    ("helm.toolkit.fluxcd.io/", "Flux"),
    ("meta.helm.sh/release-name", "Helm"),
)


def managed_by(workload: Manifest) -> str:
    """The tool that keeps the object as it is in a repository or chart; empty where no mark says so."""
    metadata = workload.get("metadata", {})
    keys = {*(metadata.get("annotations") or {}), *(metadata.get("labels") or {})}
    return next((tool for mark, tool in _MARKS if any(str(key).startswith(mark) for key in keys)), "")


def with_manager(diagnosis: Diagnosis, workload: Manifest) -> Diagnosis:
    """The diagnosis, with who manages the object among what it rests on."""
    tool = managed_by(workload)
    if not tool:
        return diagnosis
    said = f"{tool} manages it from elsewhere: a change that has to last belongs in what it is made from"
    return msgspec.structs.replace(diagnosis, rests_on=(*diagnosis.rests_on, said))
