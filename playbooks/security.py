"""Security settings that a program does not get along with: a place to write is given, protection is never taken away.

Rules: pkg/kubelet/kuberuntime/security_context.go (``container has runAsNonRoot and image will run as root``, ``image
has non-numeric user``), ``readOnlyRootFilesystem``. A read-only root stays: below the few folders that programs write
to for a while (tmp, run, cache, log, spool) an empty volume of bounded size is mounted. Anything else is for a person.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from incidents.evidence import Evidence, Want, WantKind
from incidents.incident import Round
from incidents.objects import TEMPLATED
from incidents.proposals import Diagnosis, Needs, Opinion, SetField, Silent
from incidents.symptoms import Symptom
from playbooks.confidence import CERTAIN
from playbooks.edits import opinion
from playbooks.last_words import matching, told_by_runtime

FAMILY = "security"
SYMPTOMS = (Symptom.CRASH_LOOP, Symptom.CONFIG_ERROR)
SUBJECTS = TEMPLATED
ROOM = "256Mi"  # what may be written before the pod is evicted for it
LONGEST = 200  # characters of a path

_READ_ONLY = re.compile(
    r"(?P<path>/[\w./-]*[\w-])['\"]?: read-only file system|Read-only file system: '(?P<other>/[\w./-]*[\w-])'",
    re.IGNORECASE,
)
_PASSING = tuple(PurePosixPath(place) for place in ("/tmp", "/run", "/var/tmp", "/var/run", "/var/cache", "/var/log"))  # noqa: S108 - places in a container
_SPOOLS = (*_PASSING, PurePosixPath("/var/spool"))
_ROOT = re.compile(r"container has runAsNonRoot and image will run as root[^\n]{0,80}")
_UID_ZERO = re.compile(r"container's runAsUser breaks non-root policy[^\n]{0,80}")
_BY_NAME = re.compile(r"image has non-numeric user \((?P<user>[^)]{1,64})\)[^\n]{0,80}")
_LOW_PORT = re.compile(
    r"\b(?:bind|listen)[^\n]{0,80}?:(?P<port>\d{1,5})\b[^\n]{0,60}?(?:permission denied|not permitted|EACCES)",
    re.IGNORECASE,
)
FIRST_FREE_PORT = 1024  # the kernel's net.ipv4.ip_unprivileged_port_start, where nobody has set another
_TOLD = 0.95


def consider(evidence: Evidence, rounds: Sequence[Round]) -> Silent | Needs | Opinion:
    """An opinion on the first container that its security settings keep from running."""
    for found in evidence.health.findings:
        container = evidence.container(found.container) if found.container else None
        if found.symptom not in SYMPTOMS or container is None:
            continue
        for way in (_who_it_runs_as, _what_it_may_do, _where_it_writes):
            if (answer := way(evidence, container)) is not None:
                return answer
    return Silent("no security setting keeps it from running")


def _told(cause: str, *rests_on: str) -> Diagnosis:
    return Diagnosis(family=FAMILY, cause=cause, confidence=_TOLD, rests_on=tuple(text[:200] for text in rests_on))


def _who_it_runs_as(evidence: Evidence, container: dict[str, Any]) -> Silent | Needs | Opinion | None:
    name, said = container.get("name"), told_by_runtime(evidence, str(container.get("name")))
    if match := _BY_NAME.search(said):
        cause = (
            f"container {name} has to run as non-root (runAsNonRoot), and its image names its user {match['user']}: "
            "only a numeric user can be checked, so runAsUser has to say which"
        )
        return Silent("the number of that user stands in the image", _told(cause, match.group(0)))
    if match := _UID_ZERO.search(said):
        cause = f"container {name} may not run as root (runAsNonRoot), and runAsUser says 0"
        return _as_the_image_does(evidence, container, _told(cause, match.group(0)))
    if match := _ROOT.search(said):
        cause = f"container {name} may not run as root (runAsNonRoot), and its image {container.get('image')} does"
        return Silent(
            "an image that needs no root, or a user that it can run as, is for a person", _told(cause, match.group(0))
        )
    return None


def _as_the_image_does(evidence: Evidence, container: dict[str, Any], told: Diagnosis) -> Silent | Needs | Opinion:
    """The user that the image itself names, in place of root, for a person to agree to."""
    want = Want(WantKind.IMAGE_CONFIG, str(container.get("image")))
    if not evidence.asked(want):
        return Needs((want,))
    users = [line.removeprefix("user=") for line in evidence.answers[want.key] if line.startswith("user=")]
    user = users[0].partition(":")[0] if users else ""
    own = (container.get("securityContext") or {}).get("runAsUser") == 0
    of_all = (evidence.pod_spec.get("securityContext") or {}).get("runAsUser") == 0
    if not user.isascii() or not user.isdecimal() or int(user) == 0 or not (own or of_all):
        return Silent("which user its image can run as is not known", told)
    place = evidence.container_path(str(container.get("name"))) if own else evidence.pod_path
    return opinion(
        evidence,
        SetField(path=f"{place}/securityContext/runAsUser", expected=0, value=int(user)),
        family=FAMILY,
        cause=told.cause,
        rests_on=(*told.rests_on, f"image {container.get('image')} names the user {user}"),
        ends=Symptom.CONFIG_ERROR,
        reason=f"run as user {user}, as the image does, in place of root",
        confidence=CERTAIN,
    )


def _what_it_may_do(evidence: Evidence, container: dict[str, Any]) -> Silent | None:
    """A port that only root, or who has the capability, may listen on. What is dropped is not given back."""
    name = str(container.get("name"))
    found = next(matching(evidence, name, _LOW_PORT), None)
    if found is None or int(found[1]["port"]) >= FIRST_FREE_PORT:
        return None
    dropped = ((container.get("securityContext") or {}).get("capabilities") or {}).get("drop") or ()
    why = f"its capabilities drop {', '.join(map(str, dropped))}" if dropped else "it does not run as root"
    cause = f"container {name} may not listen on port {found[1]['port']}: that takes NET_BIND_SERVICE, and {why}"
    return Silent("a port from 1024 on, or the capability, is for a person to give", _told(cause, found[0]))


def _where_it_writes(evidence: Evidence, container: dict[str, Any]) -> Silent | Opinion | None:
    name = str(container.get("name"))
    found = next(matching(evidence, name, _READ_ONLY), None)
    if found is None:
        return None
    path = PurePosixPath(found[1]["path"] or found[1]["other"])
    told = _told(f"container {name} writes to {path}, which is read-only", found[0])
    if not (container.get("securityContext") or {}).get("readOnlyRootFilesystem"):
        return Silent("its root is not read-only: a volume is, or the disk is broken", told)
    folder = _folder(path)
    mounted = [PurePosixPath(str(one.get("mountPath"))) for one in container.get("volumeMounts") or ()]
    if folder is None or any(folder.is_relative_to(one) or one.is_relative_to(folder) for one in mounted):
        return Silent("what is written there may have to last, or hides what is in the image", told)
    return _given(evidence, name, folder, told)


def _folder(path: PurePosixPath) -> PurePosixPath | None:
    """The folder to be mounted: that of a file, or the path itself where it has the look of a folder.

    A path comes from a log, which may quote whoever sent a request: one that leads back up is no path of a program.
    """
    if ".." in path.parts or len(str(path)) > LONGEST:
        return None
    if path in _SPOOLS[:-1]:
        return path
    folder = path.parent if path.suffix or path.parent in _PASSING[:4] else path
    return folder if any(folder.is_relative_to(place) for place in _SPOOLS) and folder not in _SPOOLS[4:] else None


def _given(evidence: Evidence, name: str, folder: PurePosixPath, told: Diagnosis) -> Opinion:
    taken = {str(one.get("name")) for one in evidence.pod_spec.get("volumes") or ()}
    wanted = "-".join(folder.parts[1:]).lower().replace(".", "-").replace("_", "-")[:40].strip("-")
    volume = next(
        one for n in range(len(taken) + 1) if (one := f"writable-{wanted}{f'-{n}' if n else ''}") not in taken
    )
    return opinion(
        evidence,
        SetField(
            path=f"{evidence.pod_path}/volumes[{volume}]",
            expected=None,
            value={"name": volume, "emptyDir": {"sizeLimit": ROOM}},
        ),
        SetField(
            path=f"{evidence.container_path(name)}/volumeMounts[{volume}]",
            expected=None,
            value={"name": volume, "mountPath": str(folder)},
        ),
        family=FAMILY,
        cause=told.cause,
        rests_on=(*told.rests_on, "readOnlyRootFilesystem is set, and no volume is mounted there"),
        ends=Symptom.CRASH_LOOP,
        reason=f"mount an empty volume at {folder}; the root stays read-only",
        confidence=CERTAIN,
    )
