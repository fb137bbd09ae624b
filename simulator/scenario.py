"""Scenarios: how a workload comes to be broken, and how one sees on the cluster that it is well again.

A scenario is one YAML file with a namespace of its own. It is set up and checked through the API alone, so the
same file serves the embedded cluster and a real one. What a repair may change (``allow``) is for the judge;
what should become of it (``expected``) is what a good engineer would do, whoever is being looked at; where the
program is not that far, ``gap`` says what it lacks, and ``untold`` why a person is not told the cause. ``shows`` are
the events by which one knows that it is broken in the way that is meant, ``sometimes`` the Warnings that depend on who
was first. ``slips`` and ``images`` are for the variants. ``secret_keys``: it is for a program that has been granted the
optional right to list Secrets, and is played by itself or with others of the kind.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from simulator.api_client import STRATEGIC_MERGE_PATCH, ApiClient, ApiError, Resource
from simulator.expectations import Expectation, Manifest, parse_expectations, problems_of
from simulator.resources import EVENTS, NAMESPACES, SERVICE_ACCOUNTS
from simulator.scenario_kinds import KINDS

_FOLDER = Path(__file__).resolve().parent / "scenarios"
_OPTIONAL = {
    "break",
    "expected",
    "allow",
    "shows",
    "sometimes",
    "demo",
    "embedded_only",
    "secret_keys",
    "slips",
    "images",
    "gap",
    "untold",
}
_REQUIRED = {"name", "family", "title", "namespace", "setup", "settled", "check"}
_FIELDS = _REQUIRED | _OPTIONAL
_EXPECTED = {"outcome", "also", "because", "family", "cause", "workloads_well"}
_YAML: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # C where PyYAML has it
_ACCOUNT_SECONDS = 30.0
_LOOK_SECONDS = 0.02


class ScenarioError(ValueError):
    """A scenario file cannot be used; the message names the file, the field and the remedy."""


@dataclass(frozen=True)
class Break:
    """What breaks the setup: a strategic merge patch of one of its objects, or an object that is created."""

    kind: str
    name: str
    patch: Mapping[str, Any] = field(default_factory=dict)
    create: Manifest | None = None


@dataclass(frozen=True)
class Sign:
    """An event that the broken scenario shows: about an object of this kind, with this in its message."""

    kind: str
    reason: str
    contains: str = ""


@dataclass(frozen=True)
class Sometimes:
    """A Warning's reason that one run shows and the next does not, and why that is nobody's fault."""

    reason: str
    because: str


@dataclass(frozen=True)
class Allowance:
    """What a repair may do to one object: change these JSON pointers (``*`` is any one segment), delete it, create it.

    Both together are to recreate it: then it has to be there at the end, and differ in nothing but these pointers.
    ``name`` may end in ``*``, for pods.
    """

    kind: str
    name: str
    paths: tuple[str, ...] = ()
    delete: bool = False
    create: bool = False


@dataclass(frozen=True)
class Scenario:
    """One scenario, as its file states it.

    ``demo``: it belongs to the short demonstration; ``embedded_only``: why it cannot run on a real control plane
    without a cloud or a network, empty if it can. ``secret_keys``: the program may list Secrets in it. ``gap``: what
    keeps the program from ending it as expected, ``untold``: what keeps it from naming the cause to a person; empty
    where it does.
    """

    name: str
    family: str
    title: str
    namespace: str
    setup: tuple[Manifest, ...]
    settled: tuple[Expectation, ...]
    breaks: tuple[Break, ...]
    check: tuple[Expectation, ...]
    allow: tuple[Allowance, ...]
    expected: Mapping[str, Any] = field(default_factory=dict)
    shows: tuple[Sign, ...] = ()
    sometimes: tuple[Sometimes, ...] = ()
    demo: bool = False
    embedded_only: str = ""
    secret_keys: bool = False
    gap: str = ""
    untold: str = ""


@lru_cache(maxsize=1)
def load_scenarios() -> list[Scenario]:
    """Every scenario that ships, in the order of their files' names; raises ``ScenarioError``."""
    scenarios = [parse_scenario(raw, name) for name, raw in scenario_documents().items()]
    for field_name in ("name", "namespace"):
        values = [getattr(item, field_name) for item in scenarios]
        twice = {value for value in values if values.count(value) > 1}
        if twice:
            raise ScenarioError(f"{field_name} {min(twice)!r} is used by two scenarios; each needs its own")
    return scenarios


def reached_scenarios() -> list[Scenario]:
    """Those that end as expected: without a gap."""
    return [item for item in load_scenarios() if not item.gap]


def demo_scenarios() -> list[Scenario]:
    """Those that make the short demonstration, in the same order."""
    return [item for item in load_scenarios() if item.demo]


def load_scenario(name: str) -> Scenario:
    """The scenario of that name; raises ``ScenarioError`` listing the known ones."""
    known = {item.name: item for item in load_scenarios()}
    if name not in known:
        raise ScenarioError(f"there is no scenario {name!r}; known are {', '.join(known)}")
    return known[name]


@lru_cache(maxsize=1)
def scenario_documents() -> Mapping[str, Mapping[str, Any]]:
    """What the files say, by the scenarios' names; nothing but the name is checked. Raises ``ScenarioError``."""
    documents: dict[str, Mapping[str, Any]] = {}
    for path in sorted(_FOLDER.glob("*.yaml")):
        raw = _read(path)
        if raw.get("name") != path.stem:
            raise ScenarioError(f"{path.name}: field 'name' is {raw.get('name')!r}; use the file's own, {path.stem!r}")
        documents[path.stem] = raw
    return documents


def read_scenario(path: Path) -> Scenario:
    """Read one file strictly; raises ``ScenarioError``."""
    return parse_scenario(_read(path), path.name)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), Loader=_YAML)  # noqa: S506 - both are safe loaders
    except (OSError, yaml.YAMLError) as error:
        raise ScenarioError(f"{path.name}: cannot be read: {error}") from error
    if not isinstance(raw, dict):
        raise ScenarioError(f"{path.name}: the top level must be a mapping with {', '.join(sorted(_FIELDS))}")
    return raw


def parse_scenario(raw: Mapping[str, Any], where: str) -> Scenario:
    """A scenario from what a file says, strictly; ``where`` is for the errors. Raises ``ScenarioError``."""
    for name in sorted(_REQUIRED - raw.keys()):
        raise ScenarioError(f"{where}: field {name!r} is missing; add it")
    for name in sorted(raw.keys() - _FIELDS):
        raise ScenarioError(f"{where}: unknown field {name!r}; known are {', '.join(sorted(_FIELDS))}")
    try:
        return _scenario(raw)
    except (KeyError, TypeError, ValueError) as error:
        what = f"field {error} is missing in an entry" if isinstance(error, KeyError) else str(error)
        raise ScenarioError(f"{where}: {what}") from error


def _scenario(raw: Mapping[str, Any]) -> Scenario:
    namespace = str(raw["namespace"])
    setup = tuple(_placed(manifest, namespace) for manifest in raw["setup"])
    return Scenario(
        name=str(raw["name"]),
        family=str(raw["family"]),
        title=str(raw["title"]),
        namespace=namespace,
        setup=setup,
        settled=parse_expectations(raw["settled"], "settled"),
        breaks=tuple(_break(item, namespace) for item in raw.get("break") or ()),
        check=parse_expectations(raw["check"], "check"),
        allow=tuple(_allowance(item) for item in raw.get("allow") or ()),
        expected=_expected(raw.get("expected") or {}),
        shows=tuple(
            Sign(_kind(item["kind"]), item["reason"], item.get("contains", "")) for item in raw.get("shows") or ()
        ),
        sometimes=tuple(Sometimes(item["reason"], item["because"]) for item in raw.get("sometimes") or ()),
        demo=bool(raw.get("demo", False)),
        embedded_only=str(raw.get("embedded_only", "")),
        secret_keys=bool(raw.get("secret_keys", False)),
        gap=str(raw.get("gap", "")),
        untold=str(raw.get("untold", "")),
    )


def _expected(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """``outcome``, one more that is as good (``also``, ``because``), and what a hand-over has to say: its ``family``
    where that is not the scenario's, and its ``cause``, a list of words, or of lists of which one word is enough.
    ``workloads_well``: what is handed over is no trouble of a workload."""
    for name in raw.keys() - _EXPECTED:
        raise ValueError(f"expected: unknown field {name!r}; known are {', '.join(sorted(_EXPECTED))}")
    if not isinstance(raw.get("cause", []), list):
        raise ValueError("expected: cause must be a list of words, or of lists of words")
    return raw


def _placed(manifest: Any, namespace: str) -> Manifest:
    if not isinstance(manifest, dict) or not {"apiVersion", "kind", "metadata"} <= manifest.keys():
        raise ValueError("setup: every entry must be a manifest with apiVersion, kind and metadata")
    if not KINDS[_kind(manifest["kind"])].namespaced:
        return _cluster_wide(manifest, namespace)
    stated = manifest["metadata"].get("namespace", namespace)
    if stated != namespace:
        name = manifest["metadata"]["name"]
        raise ValueError(f"setup: {name!r} is in namespace {stated!r}; only the scenario's own may be used")
    return manifest | {"metadata": manifest["metadata"] | {"namespace": namespace}}


def _cluster_wide(manifest: Manifest, namespace: str) -> Manifest:
    """Objects without a namespace are told apart by their names: two scenarios never meet in one."""
    name = manifest["metadata"]["name"]
    if not str(name).startswith(namespace):
        raise ValueError(f"setup: {manifest['kind']} {name!r} has no namespace; begin its name with {namespace!r}")
    return manifest


def _break(item: Mapping[str, Any], namespace: str) -> Break:
    if "create" in item:
        manifest = _placed(item["create"], namespace)
        return Break(manifest["kind"], manifest["metadata"]["name"], create=manifest)
    return Break(_kind(item["kind"]), item["name"], item["patch"])


def _allowance(item: Mapping[str, Any]) -> Allowance:
    paths = tuple(item.get("paths") or ())
    for path in paths:
        if not path.startswith("/"):
            raise ValueError(f"allow: path {path!r} must be a JSON pointer that starts with '/'")
    may = {word: bool(item.get(word, False)) for word in ("delete", "create")}
    return Allowance(_kind(item["kind"]), item["name"], paths, **may)


def _kind(kind: str) -> str:
    if kind not in KINDS:
        raise ValueError(f"kind {kind!r} is not known; use one of {', '.join(sorted(KINDS))}")
    return kind


async def apply_setup(client: ApiClient, scenario: Scenario) -> None:
    """Create the namespace and the setup's objects, in order; raises ``ApiError``.

    Waits for the namespace's default ServiceAccount, without which no pod can be created.
    """
    await _ensure_namespace(client, scenario.namespace)
    for manifest in scenario.setup:
        await _create(client, manifest)


async def _create(client: ApiClient, manifest: Manifest) -> None:
    """Create an object; one without a namespace may have been left by an earlier run."""
    resource = KINDS[manifest["kind"]]
    try:
        await client.create(resource, manifest)
    except ApiError as error:
        if resource.namespaced or error.reason != "AlreadyExists":
            raise


async def apply_break(client: ApiClient, scenario: Scenario) -> None:
    """Apply the scenario's second step, if it has one; raises ``ApiError``."""
    for step in scenario.breaks:
        if step.create is not None:
            await client.create(KINDS[step.kind], step.create)
            continue
        await client.patch(
            KINDS[step.kind],
            step.name,
            step.patch,
            scenario.namespace if KINDS[step.kind].namespaced else None,
            content_type=STRATEGIC_MERGE_PATCH,
        )


async def settled(client: ApiClient, scenario: Scenario) -> bool:
    """Whether the setup stands, so that it can be broken or watched."""
    return not await _problems(client, scenario, scenario.settled)


async def until_settled(client: ApiClient, scenario: Scenario, *, look_seconds: float = 0.1) -> None:
    """Wait until the setup stands; the deadline is the caller's. ``look_seconds`` are real ones between two looks."""
    while True:
        if await settled(client, scenario):
            return
        await asyncio.sleep(look_seconds)


async def missing_signs(client: ApiClient, scenario: Scenario) -> list[Sign]:
    """The events that the scenario has not shown so far; empty once it is broken as it should be."""
    events = (await client.list(EVENTS, scenario.namespace))["items"]
    return [sign for sign in scenario.shows if not any(_is_sign(sign, event) for event in events)]


def _is_sign(sign: Sign, event: Mapping[str, Any]) -> bool:
    same = (event["involvedObject"].get("kind"), event.get("reason")) == (sign.kind, sign.reason)
    return same and sign.contains in (event.get("message") or "")


async def check(client: ApiClient, scenario: Scenario) -> list[str]:
    """What is still wrong on the cluster; empty when the scenario ended well."""
    return await _problems(client, scenario, scenario.check)


async def _problems(client: ApiClient, scenario: Scenario, expectations: tuple[Expectation, ...]) -> list[str]:
    found: list[str] = []
    for expectation in expectations:
        live = await _find(client, KINDS[expectation.kind], expectation.name, scenario.namespace)
        found += problems_of(expectation, live, scenario.setup)
    return found


async def _find(client: ApiClient, resource: Resource, name: str, namespace: str) -> dict[str, Any] | None:
    try:
        return await client.get(resource, name, namespace)
    except ApiError as error:
        if error.code == 404:
            return None
        raise


async def _ensure_namespace(client: ApiClient, name: str) -> None:
    try:
        await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
    try:
        async with asyncio.timeout(_ACCOUNT_SECONDS):
            while True:
                if await _find(client, SERVICE_ACCOUNTS, "default", name) is not None:
                    return
                await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError:
        text = f"namespace {name} has no ServiceAccount 'default' after {_ACCOUNT_SECONDS:g} s"
        raise ApiError(0, "Timeout", text) from None
