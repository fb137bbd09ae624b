"""What others need and somebody has scaled to zero: one replica of it again, when a person agrees.

Rule: a workload of no replicas is stopped by whoever set that (apps/v1 ``spec.replicas``), and nothing tells a nap
from a mistake. So this is never more than a question, and of one replica. What an autoscaler keeps is not asked for:
one that scales from zero (KEDA) wakes it by itself, and any other has been switched off with the zero.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from incidents.evidence import Evidence
from incidents.objects import AUTOSCALER, Manifest, reference
from incidents.proposals import Diagnosis, Needs, Opinion, Risk, SetField
from incidents.symptoms import Symptom
from playbooks.confidence import SUGGESTED
from playbooks.edits import opinion, wanting

_SCALED = ("Deployment", "StatefulSet")


def waking(evidence: Evidence, behind: Sequence[Manifest], told: Diagnosis, ends: Symptom) -> Needs | Opinion | None:
    """One replica of the one workload that is needed and has none; None where it is not one, or not ours to ask."""
    if len(behind) != 1 or behind[0].get("kind") not in _SCALED or behind[0].get("spec", {}).get("replicas") != 0:
        return None
    if needs := wanting(evidence, AUTOSCALER.kind):
        return needs
    asleep, scalers = behind[0], evidence.listed(AUTOSCALER.kind)
    if scalers is None or any(_targets(scaler, asleep) for scaler in scalers):
        return None
    target = reference(asleep)
    asked = opinion(
        evidence,
        SetField(path="/spec/replicas", expected=0, value=1),
        family=told.family,
        cause=told.cause,
        rests_on=told.rests_on,
        ends=ends,
        reason=f"run one replica of {target.kind.lower()}/{target.name} again, unless it is meant to be stopped",
        confidence=SUGGESTED,
        risk=Risk.MEDIUM,
        target=target,
    )
    return msgspec.structs.replace(asked, diagnosis=msgspec.structs.replace(asked.diagnosis, blames=target))


def _targets(scaler: Manifest, workload: Manifest) -> bool:
    wanted = scaler.get("spec", {}).get("scaleTargetRef") or {}
    return (wanted.get("kind"), wanted.get("name")) == (workload.get("kind"), workload["metadata"]["name"])
