"""Commands that cannot be run: not in the image, misspelt, a shell line that fails, an option nobody knows.

Rules: opencontainers/runc (``exec: "x": stat x: no such file or directory``, ``executable file not found in $PATH``,
``exec format error``), POSIX sh (126 not executable, 127 not found) and the image's own config (``Entrypoint``).
An override that is in no image is corrected to the image's own program where it is a slip of it. Where it is one word,
of a container that is there to be asked, it is dropped, so that the image runs what it was made to run: by itself only
where no other program can have been meant, since a worker that runs its image's web server passes its probes and works
on no queue; else a person is asked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from rapidfuzz.distance import DamerauLevenshtein

from incidents.evidence import Evidence, Want, WantKind
from incidents.images import ImageReferenceError, parse_image
from incidents.incident import Round
from incidents.objects import CRON_JOB, TEMPLATED
from incidents.proposals import Diagnosis, Needs, Opinion, SetField, Silent
from incidents.symptoms import Symptom
from playbooks.confidence import CERTAIN, LIKELY, SUGGESTED
from playbooks.edits import opinion
from playbooks.last_good import never_well
from playbooks.last_words import last_end, matching, told_by_runtime
from playbooks.listening import handler
from playbooks.neighbours import nearest
from playbooks.official_images import has_one_program, serves

FAMILY = "command"
SYMPTOMS = (Symptom.RUN_ERROR, Symptom.CRASH_LOOP)
SUBJECTS = (*TEMPLATED, "Pod", "Job")

_NOT_THERE = re.compile(
    r'exec: \\?"(?P<word>[^"\\]+)\\?": (?:stat [^:]+: no such file or directory|executable file not found in \$PATH)'
)
_NOT_RUN = re.compile(
    r'exec: \\?"(?P<word>[^"\\]+)\\?": permission denied|exec format error|exec /\S{1,200}: no such file or directory'
)
_NOT_RUN_FOR = (
    ("format", "was built for another processor"),
    ("no such file", "is there, and the interpreter or loader that it names is not"),
    ("", "may not be executed"),
)
_SHELL_SAID = re.compile(r"(?:^|: )(?P<word>[\w./-]+): (?:command )?not found|[Ss]yntax error[^\n]*|Permission denied")
_OPTION = re.compile(
    r"(?:unknown|unrecogni[sz]ed|invalid|undefined|unexpected) (?:flag|option|argument|command-line option)s?"
    r"[: ]+['\"`]?(?P<option>-{0,2}[\w-]+)"
    r"|flag provided but not defined: (?P<other>-{1,2}[\w-]+)"
)
_SHELLS = frozenset({"sh", "bash", "ash", "dash"})
_SHELL_CODES = {2: "is no correct shell", 126: "names what cannot be executed", 127: "names what is not found"}
_TOLD = 0.92


def consider(evidence: Evidence, rounds: Sequence[Round]) -> Silent | Needs | Opinion:
    """An opinion on the first container whose command cannot be run."""
    for found in evidence.health.findings:
        container = evidence.container(found.container) if found.container else None
        if found.symptom not in SYMPTOMS or container is None:
            continue
        for way in (_not_in_image, _not_runnable, _shell_line, _option):
            if (answer := way(evidence, container, found.symptom)) is not None:
                return answer
    return Silent("every command can be run")


def _told(cause: str, *rests_on: str) -> Diagnosis:
    return Diagnosis(family=FAMILY, cause=cause, confidence=_TOLD, rests_on=tuple(text[:200] for text in rests_on))


def _not_in_image(evidence: Evidence, container: dict[str, Any], ends: Symptom) -> Silent | Needs | Opinion | None:
    name, image = str(container.get("name")), str(container.get("image"))
    match = _NOT_THERE.search(told_by_runtime(evidence, name))
    if match is None:
        return None
    field = "command" if container.get("command") else "args"  # without an entrypoint, arguments are a command
    word, given = match["word"], list(container.get(field) or ())
    told = _told(f"container {name} runs {word}, which is not in the image {image}", match.group(0))
    if not given or given[0] != word:
        return Silent("no command of the present template names it", told)
    if not never_well(evidence) or evidence.subject.kind not in TEMPLATED:
        return Silent("this template was well before with the same command", told)
    want = Want(WantKind.IMAGE_CONFIG, image)
    if not evidence.asked(want):
        return Needs((want,))
    said = evidence.answers.get(want.key, ())
    own = _words(said, "entrypoint") or (_words(said, "cmd") if field == "args" else [])
    meant = _slip(word, own[:1] or _named_like(image, word))
    at = f"{evidence.container_path(name)}/{field}"
    if meant is not None:
        edit, sure = SetField(path=f"{at}/0", expected=word, value=meant), CERTAIN if own else LIKELY
        return _corrected(evidence, edit, told=told, ends=ends, reason=f"run {meant} in place of {word}", sure=sure)
    own_by_name = own[0] if own else _official(image)
    whole = len(given) == 1 and (field == "args" or not container.get("args"))
    if whole and own_by_name and _serves(evidence, container):
        edit = SetField(path=at, expected=given, value=None)
        reason = f"let {name} run {own_by_name}, as its image does of itself"
        if _no_other_is_meant(image, word, own[:1]):
            return _corrected(evidence, edit, told=told, ends=ends, reason=reason, sure=LIKELY)
        doubt = f"that {word} should be another program than that of the image is not ruled out"
        return _corrected(
            evidence, edit, told=_also(told, doubt), ends=ends, reason=f"{reason}; {doubt}", sure=SUGGESTED
        )
    return Silent("nothing says which program is meant", told)


def _also(told: Diagnosis, said: str) -> Diagnosis:
    return msgspec.structs.replace(told, rests_on=(*told.rests_on, said))


def _no_other_is_meant(image: str, word: str, own: Sequence[str]) -> bool:
    """Whether the image holds but one program, or the word is what the image or its program is called, or its slip."""
    try:
        parsed = parse_image(image)
    except ImageReferenceError:
        return False
    called = word.rpartition("/")[2]
    names = [text.rpartition("/")[2] for text in (parsed.repository, *own)]
    return has_one_program(parsed) or any(called == name or _slip(called, [name]) is not None for name in names)


def _words(answer: Sequence[str], which: str) -> list[str]:
    """What the image's config says it runs: lines of ``entrypoint=WORD`` and ``cmd=WORD``."""
    return [line.removeprefix(f"{which}=") for line in answer if line.startswith(f"{which}=")]


def _slip(word: str, programs: Sequence[str]) -> str | None:
    """The program of which the word is a slip. There is but one in question, so that a short name may be one too."""
    meant = nearest(word, programs)
    if meant is not None or not programs:
        return meant
    folder, _, name = word.rpartition("/")
    own_folder, _, own = programs[0].rpartition("/")
    near = folder == own_folder and abs(len(own) - len(name)) <= 1 and len(name) > 1
    return programs[0] if near and DamerauLevenshtein.distance(name, own) == 1 else None


def _serves(evidence: Evidence, container: dict[str, Any]) -> bool:
    """Whether a container is there to go on and be asked, as an image's own server is: not to do something once."""
    asked = any(handler(container.get(probe) or {}) for probe in ("livenessProbe", "readinessProbe", "startupProbe"))
    goes_on = evidence.subject.kind != CRON_JOB.kind and container in evidence.containers
    return goes_on and bool(container.get("ports") or asked)


def _named_like(image: str, word: str) -> list[str]:
    """Where no registry says what an image runs: the program in that folder that has the name of the image."""
    try:
        name = parse_image(image).repository.rpartition("/")[2]
    except ImageReferenceError:
        return []
    folder, slash, _ = word.rpartition("/")
    return [f"{folder}/{name}"] if slash else []


def _official(image: str) -> str:
    try:
        return "its own program" if serves(parse_image(image)) else ""
    except ImageReferenceError:
        return ""


def _corrected(
    evidence: Evidence, edit: SetField, *, told: Diagnosis, ends: Symptom, reason: str, sure: float
) -> Opinion:
    return opinion(
        evidence,
        edit,
        family=FAMILY,
        cause=told.cause,
        rests_on=(*told.rests_on, "the present revision has never been well"),
        ends=ends,
        reason=reason,
        confidence=sure,
    )


def _not_runnable(evidence: Evidence, container: dict[str, Any], ends: Symptom) -> Silent | None:
    name = str(container.get("name"))
    match = _NOT_RUN.search(told_by_runtime(evidence, name))
    if match is None:
        found = next(matching(evidence, name, re.compile("exec format error")), None)
        if found is None:
            return None
        match = found[1]
    why = next(why for word, why in _NOT_RUN_FOR if word in match.group(0))
    return Silent("what is in an image is for whoever builds it", _told(f"the program of {name} {why}", match.group(0)))


def _shell_line(evidence: Evidence, container: dict[str, Any], ends: Symptom) -> Silent | None:
    words = [*(container.get("command") or ()), *(container.get("args") or ())]
    name, code = str(container.get("name")), last_end(evidence, str(container.get("name"))).get("exitCode")
    if not words or str(words[0]).rpartition("/")[2] not in _SHELLS or code not in _SHELL_CODES:
        return None
    said = [line for line, _ in matching(evidence, name, _SHELL_SAID)][:2]
    if not said and code == 2:
        return None  # many programs end with it
    line = next((str(word) for word in words[1:] if not str(word).startswith("-")), "")
    cause = f"the shell line of container {name} {_SHELL_CODES[code]} (exit code {code}): {line[:160]}"
    return Silent("what the line should be is for whoever wrote it", _told(cause, *said))


def _option(evidence: Evidence, container: dict[str, Any], ends: Symptom) -> Silent | None:
    name = str(container.get("name"))
    given = [str(word) for word in (*(container.get("command") or ())[1:], *(container.get("args") or ()))]
    for line, match in matching(evidence, name, _OPTION):
        option = (match["option"] or match["other"]).lstrip("-")
        word = next((word for word in given if word.lstrip("-").partition("=")[0] == option), None)
        if word is not None:
            cause = f"the program of container {name} does not know the option {word}"
            return Silent("which option is meant is not known", _told(cause, line))
    return None
