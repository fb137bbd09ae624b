"""Rules on what an object is made from: a change that somebody would put back is not fought, it is proposed there.

The marks are labels and annotations, text that anybody who may edit the object can write. They can only make the
program more careful: a mark may lead to a refusal or a remark, never past another rule. Facts about the tools: Argo CD
tracks by annotation or label and puts back where `syncPolicy.automated.selfHeal` is set; Flux applies a Kustomization
again at every interval and may correct the drift of a HelmRelease; Helm changes nothing until its next upgrade.
"""

from __future__ import annotations

from collections.abc import Iterator

from evidence.redaction import mask_text
from incidents.objects import Manifest
from incidents.pointers import matches
from incidents.policy import DRIFT, Answer, Ruling
from incidents.signals import clean
from remediation.guardrails.view import Source, View

ARGO_TRACKING, ARGO_INSTANCE = "argocd.argoproj.io/tracking-id", "argocd.argoproj.io/instance"
COMMON_INSTANCE = "app.kubernetes.io/instance"
RESOURCES = "/spec/template/spec/containers/*/resources/**"
INIT_RESOURCES = "/spec/template/spec/initContainers/*/resources/**"
_FLUX = (
    ("kustomize.toolkit.fluxcd.io", "Flux Kustomization"),
    ("helm.toolkit.fluxcd.io", "Flux HelmRelease"),
)
_HELM_RELEASE = "meta.helm.sh/release-name"
_HELM_NAMESPACE = "meta.helm.sh/release-namespace"
_APPLYING_UPDATE_MODES = frozenset({"Auto", "Recreate", "Initial", "InPlaceOrRecreate", "InPlace"})


def put_back(view: View) -> Iterator[Ruling]:
    """What somebody would put back is refused, with the place where the change belongs."""
    for source in view.sources:
        if source.puts_back and _touches(source, view):
            reason = f"{source.name} would put it back; make this change there: {source.advice}"
            yield Ruling("put-back", Answer.REFUSE, reason)


def drift(view: View) -> Iterator[Ruling]:
    """What a source would not put back by itself may be changed, with a remark that it differs from then on."""
    for source in view.sources:
        if not source.puts_back and _touches(source, view):
            reason = f"{source.name} does not know of this change; so that it lasts: {source.advice}"
            yield Ruling(DRIFT, Answer.ALLOW, reason)


def _touches(source: Source, view: View) -> bool:
    if not source.fields:
        return True
    return any(matches(leaf.pointer, pattern) for leaf in view.diff for pattern in source.fields)


def argo_application(live: Manifest) -> tuple[str, str, bool]:
    """The namespace (empty if unknown) and name of the Argo CD application an object claims, and whether it is certain.

    The common instance label alone is no certain mark: Helm charts carry it too. ("", "", False) without any.
    """
    labels, annotations = _labels(live), _annotations(live)
    if tracking := annotations.get(ARGO_TRACKING, ""):
        return (*_qualified(tracking.partition(":")[0]), True)
    if instance := labels.get(ARGO_INSTANCE, ""):
        return (*_qualified(instance), True)
    if (common := labels.get(COMMON_INSTANCE, "")) and _HELM_RELEASE not in annotations:
        return (*_qualified(common), False)
    return "", "", False


def _qualified(text: str) -> tuple[str, str]:
    """``namespace_name`` of an application outside Argo CD's own namespace; a name alone otherwise."""
    namespace, mark, name = text.partition("_")
    return (namespace, name) if mark else ("", text)


def argo_source(name: str, application: Manifest | None, live: Manifest) -> Source:
    """Argo CD as a source. An application that cannot be read or does not list the object is believed to self-heal."""
    named = f"Argo CD application {_line(name, 80)}"
    if application is None or not _lists(application, live):
        return Source(name=named, puts_back=True, advice=f"in what {named} is made from")
    automated = ((application.get("spec") or {}).get("syncPolicy") or {}).get("automated") or {}
    heals = bool(automated.get("selfHeal")) and automated.get("enabled") is not False
    return Source(name=named, puts_back=heals, advice=f"in {_repository(application)}")


def _lists(application: Manifest, live: Manifest) -> bool:
    metadata = live["metadata"]
    wanted = (live.get("kind"), metadata.get("namespace"), metadata.get("name"))
    listed = (application.get("status") or {}).get("resources") or ()
    return any((one.get("kind"), one.get("namespace"), one.get("name")) == wanted for one in listed)


def _repository(application: Manifest) -> str:
    spec = application.get("spec") or {}
    source: Manifest = spec.get("source") or next(iter(spec.get("sources") or ()), {})
    place = " ".join(str(source[key]) for key in ("repoURL", "path", "chart", "targetRevision") if source.get(key))
    return mask_text(_line(place, 200)) or "its repository"


def marked_sources(live: Manifest) -> Iterator[Source]:
    """The sources that the object's own marks tell of: Flux and Helm."""
    labels, annotations = _labels(live), _annotations(live)
    flux = False
    for prefix, title in _FLUX:
        if name := labels.get(f"{prefix}/name") or annotations.get(f"{prefix}/name"):
            namespace = labels.get(f"{prefix}/namespace") or annotations.get(f"{prefix}/namespace") or "its namespace"
            named = f"{title} {_line(name, 80)} in {_line(namespace, 80)}"
            flux = True
            yield Source(name=named, puts_back=True, advice=f"in what {named} is made from")
    release = annotations.get(_HELM_RELEASE, "")
    if not flux and (release or labels.get("app.kubernetes.io/managed-by") == "Helm"):
        named = f"Helm release {_line(release or labels.get(COMMON_INSTANCE, 'of this workload'), 80)}"
        where = _line(annotations.get(_HELM_NAMESPACE) or live["metadata"].get("namespace", ""), 80)
        yield Source(name=named, puts_back=False, advice=f"in the values of {named} in {where}")


def vertical_autoscaler(scaler: Manifest, live: Manifest) -> Source | None:
    """A VerticalPodAutoscaler as a source, if it is the workload's and sets requests and limits by itself."""
    spec = scaler.get("spec") or {}
    mode = (spec.get("updatePolicy") or {}).get("updateMode") or "Auto"
    if not _targets(spec.get("targetRef") or {}, live) or mode not in _APPLYING_UPDATE_MODES:
        return None
    named = f"VerticalPodAutoscaler {_line(str(scaler['metadata'].get('name', '')), 80)}"
    return Source(
        name=named, puts_back=True, fields=(RESOURCES, INIT_RESOURCES), advice=f"in the resourcePolicy of {named}"
    )


def horizontal_autoscaler(scaler: Manifest, live: Manifest) -> Source | None:
    """A HorizontalPodAutoscaler as a source, if it is the workload's: it sets the number of replicas."""
    if not _targets((scaler.get("spec") or {}).get("scaleTargetRef") or {}, live):
        return None
    named = f"HorizontalPodAutoscaler {_line(str(scaler['metadata'].get('name', '')), 80)}"
    return Source(name=named, puts_back=True, fields=("/spec/replicas",), advice=f"in minReplicas of {named}")


def _targets(reference: Manifest, live: Manifest) -> bool:
    return (reference.get("kind"), reference.get("name")) == (live.get("kind"), live["metadata"].get("name"))


def _labels(live: Manifest) -> dict[str, str]:
    return {str(key): str(value) for key, value in (live["metadata"].get("labels") or {}).items()}


def _annotations(live: Manifest) -> dict[str, str]:
    return {str(key): str(value) for key, value in (live["metadata"].get("annotations") or {}).items()}


def _line(text: object, limit: int) -> str:
    """Text of strangers on one short line."""
    return " ".join(clean(text, limit).split())
