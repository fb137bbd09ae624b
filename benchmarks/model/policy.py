"""The stand-in for a model, for both sides of the benchmark: it asks for the next missing fact, then it answers.

Rule of the benchmark: this file is finished before either side is measured for the first time, and is not changed
afterwards to suit a measurement. Whoever changes it measures both sides anew and says so beside the results.

It sees one request and nothing else: no state, no clock, no chance, no knowledge of which side is asking or of what
the scenario is. It reads the messages and the tools that are offered, as a model of an OpenAI-compatible server does:

1. Four facts are wanted, in this order: the workload's spec, the state of its containers, the events, the logs. A fact
   is known if it can be seen in the messages, or a tool that promises it has been called.
2. For the first missing fact for which a tool is offered whose required arguments are known, it calls that tool.
3. Where facts are missing and only hand-overs to other agents are offered, it hands over once to each, in the order
   in which they are offered, as long as facts are missing.
4. Else it answers: in the form that is asked for, with the line that tells most as the cause. Where there is a choice
   it takes the one that the request calls its opinion or default, and the first otherwise. It never proposes a change:
   a policy that knows no repair leaves that to a person, whoever asks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

CAUSE_CHARACTERS = 240
_LONGEST_LINE = 2_000  # of the lines in which a cause is looked for


@dataclass(frozen=True)
class Call:
    """A tool that is to be called."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Said:
    """What the model says: a call of a tool, an object in the form that was asked for, or words."""

    call: Call | None = None
    form: dict[str, Any] | None = None
    text: str = ""


@dataclass(frozen=True)
class Fact:
    """Something to know: how it looks where it is known, and the words in the names of tools that tell it."""

    name: str
    seen: re.Pattern[str]
    told_by: tuple[str, ...]
    kind: str  # what a tool for any kind of object is asked for


FACTS = (
    Fact("spec", re.compile(r'"image"\s*:|\bimage:\s|/image\b'), ("manifest", "get", "yaml", "spec"), "deployment"),
    Fact(
        "state",
        re.compile(r"\bwaiting\b|\bterminated\b|\bcontainerStatuses\b|\bnot ready\b|\bUnschedulable\b", re.IGNORECASE),
        ("states", "pods", "get", "describe", "status"),
        "pods",
    ),
    Fact("events", re.compile(r"^#* ?Events\b|\binvolvedObject\b|\bLAST SEEN\b", re.MULTILINE), ("events",), "events"),
    Fact("logs", re.compile(r"^#* ?Logs\b", re.MULTILINE), ("logs", "log"), "logs"),
)
_RULES = ("system", "developer")  # whose words tell what to do, and nothing of the case
_HAND_OVER = re.compile(r"^(transfer|hand_?(off|over)|delegate)_?to_", re.IGNORECASE)
_CAUSES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(panic|fatal|traceback|exception|permission denied|read-only file system|no such file)\b",
        r"\b(CreateContainerConfigError|CreateContainerError|RunContainerError|FailedMount|FailedScheduling)\b",
        r"\b(ImagePullBackOff|ErrImagePull|InvalidImageName|OOMKilled|exceeded quota|Unhealthy)\b",
        r"\b(error|failed|refused|not found|back-?off|warning)\b",
    )
)
_OPINION = re.compile(r"(?:opinion|default)[^:\n]{0,40}:\s*([A-Za-z_]+)", re.IGNORECASE)
_NAMESPACE = re.compile(r"\bnamespace[\"']?\s*[:=/ ]\s*[\"']?([a-z0-9][a-z0-9-]*)", re.IGNORECASE)
_SUBJECT = re.compile(
    r"\b(deployment|statefulset|daemonset|cronjob|job|service|pod)s?(?:\.apps)?\s*[:/ ]\s*[\"']?"
    r"(?:[a-z0-9-]+/)?([a-z0-9][a-z0-9.-]*)",
    re.IGNORECASE,
)
_CONTAINER = re.compile(
    r"containers?\[([a-z0-9-]+)\]|\bcontainers?:?\s+-?\s*name:\s*([a-z0-9-]+)|\bcontainer ([a-z0-9-]+)"
)


def answer(request: Mapping[str, Any]) -> Said:
    """What is said to one request of the chat completions protocol."""
    messages = request.get("messages") or ()
    given = "\n".join(_words(message) for message in messages if message.get("role") not in _RULES)
    tools = {tool["function"]["name"]: tool["function"] for tool in request.get("tools") or ()}
    called = set(_called(request))
    missing = [fact for fact in FACTS if not fact.seen.search(given) and not _asked(fact, called)]
    for fact in missing:
        call = _for_fact(fact, tools, called, given)
        if call is not None:
            return Said(call=call)
    over = [name for name in tools if _HAND_OVER.match(name) and (name, "{}") not in called]
    if missing and over and not any(name in tools for name in _lookups(tools)):
        return Said(call=Call(over[0], {}))
    return _answered(request, tools, given)


# --- what is asked for


def _for_fact(
    fact: Fact, tools: Mapping[str, Mapping[str, Any]], called: set[tuple[str, str]], given: str
) -> Call | None:
    for word in fact.told_by:
        for name in _lookups(tools):
            if word not in name.lower().split("_"):
                continue
            arguments = _arguments(fact, tools[name].get("parameters") or {}, given)
            if arguments is not None and (name, json.dumps(arguments, sort_keys=True)) not in called:
                return Call(name, arguments)
    return None


def _lookups(tools: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The tools that tell facts."""
    words = {word for fact in FACTS for word in fact.told_by}
    return [name for name in tools if words & set(name.lower().split("_")) and not _HAND_OVER.match(name)]


def _arguments(fact: Fact, schema: Mapping[str, Any], given: str) -> dict[str, Any] | None:
    """What the tool has to be told; None where that is not known yet."""
    known = _known(fact, given)
    arguments: dict[str, Any] = {}
    for name in schema.get("properties") or {}:
        if known.get(name):
            arguments[name] = known[name]
        elif name in (schema.get("required") or ()):
            return None
    return arguments


def _known(fact: Fact, given: str) -> dict[str, Any]:
    namespace, subject, container = _NAMESPACE.search(given), _SUBJECT.search(given), _CONTAINER.search(given)
    name = subject[2].rstrip(".") if subject else ""
    pod = re.search(rf"\b{re.escape(name)}-[a-z0-9]{{5,10}}(?:-[a-z0-9]{{5}})?\b", given) if name else None
    kind = (subject[1].lower() if subject else fact.kind) if fact.name == "spec" else fact.kind
    return {
        "namespace": namespace[1] if namespace else "",
        "kind": kind,
        "resource": kind,
        "name": name if fact.name == "spec" else "",
        "pod": pod[0] if pod else "",
        "container": next((part for part in container.groups() if part), "") if container else "",
        "previous": fact.name == "logs" and bool(re.search(r"CrashLoop|back-off restarting", given, re.IGNORECASE)),
    }


def _called(request: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for message in request.get("messages") or ():
        for call in message.get("tool_calls") or ():
            function = call["function"]
            try:
                arguments = json.dumps(json.loads(function.get("arguments") or "{}"), sort_keys=True)
            except ValueError:
                arguments = ""
            yield function["name"], arguments


def _asked(fact: Fact, called: set[tuple[str, str]]) -> bool:
    """Whether a tool has been called for this fact, whatever it has answered."""
    for name, arguments in called:
        words = name.lower().split("_")
        own = set(fact.told_by) & set(words)
        general = {"get", "describe"} & own
        if own - general or (general and f'"{fact.kind}"' in arguments):
            return True
    return False


# --- what is answered


def _answered(request: Mapping[str, Any], tools: Mapping[str, Mapping[str, Any]], given: str) -> Said:
    cause = _cause(given)
    form = (request.get("response_format") or {}).get("json_schema") or {}
    if form.get("schema"):
        return Said(form=_filled(form["schema"], form["schema"], cause, given))
    forms = [name for name in tools if name not in _lookups(tools) and not _HAND_OVER.match(name)]
    wanted = [name for name in forms if "answer" in name.lower() or name[:1].isupper()]
    if wanted:
        schema = tools[wanted[0]].get("parameters") or {}
        return Said(call=Call(wanted[0], _filled(schema, schema, cause, given)))
    return Said(text=f"Cause: {cause}\nNo change is certain to end it; a person has to decide.")


def _filled(schema: Mapping[str, Any], root: Mapping[str, Any], cause: str, given: str, *, name: str = "") -> Any:
    """A value that fits a JSON schema: the cause where words are wanted, nothing where lists of objects are."""
    if "$ref" in schema:
        found = (root.get("$defs") or {}).get(str(schema["$ref"]).rsplit("/", 1)[-1]) or {}
        return _filled(found, root, cause, given, name=name)
    if "anyOf" in schema:
        kinds = schema["anyOf"]
        return None if {"type": "null"} in kinds else _filled(kinds[0], root, cause, given, name=name)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return _chosen([str(option) for option in schema["enum"]], given)
    match schema.get("type"):
        case "object":
            fields = schema.get("properties") or {}
            return {key: _filled(below, root, cause, given, name=key) for key, below in fields.items()}
        case "array":
            items = schema.get("items") or {}
            return [_filled(items, root, cause, given)] if items.get("type") == "string" else []
        case "boolean":
            return False
        case "integer":
            return int(schema.get("minimum", 0))
        case "number":
            return 0.5
        case "null":
            return None
    return _text(name, cause, int(schema.get("maxLength", CAUSE_CHARACTERS)))


def _text(name: str, cause: str, limit: int) -> str:
    if name in ("python", "code", "program"):
        return "sorted(logs)[:20]"
    return cause[:limit]


def _chosen(options: list[str], given: str) -> str:
    opinion = _OPINION.search(given)
    return opinion[1] if opinion is not None and opinion[1] in options else options[0]


def _cause(given: str) -> str:
    lines = [" ".join(line[:_LONGEST_LINE].split()) for line in given.splitlines()]
    for pattern in _CAUSES:
        for line in lines:
            found = pattern.search(line)
            if found is not None:
                start = max(0, found.start() - CAUSE_CHARACTERS // 2)
                return line[start : start + CAUSE_CHARACTERS]
    return "nothing in what was read tells the cause"


def _words(message: Mapping[str, Any]) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
