"""What a run was told from outside and what it decided, in order: enough to run it again without cluster or key.

A run of the graph rests on nothing but these: how the incident stood when it began, the readings of the cluster, what
searches, sandbox and models answered, what people had said, and the settings. Everything here is masked before it is
written down: live objects by the collector's rules, values of changes down to what cannot be a secret.

Ids are random and moments pass: what a replay has to reproduce is every decision, with the ids of a run counted in the
order in which they appear.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec

from incidents.changes import Change, ChangeState, LeafChange
from incidents.decisions import Decision, Request, Switch
from incidents.evidence import Evidence
from incidents.incident import Incident, Round, Verification
from incidents.objects import ChangeId, IncidentId, Uid
from incidents.policy import Policy, Ruling
from incidents.proposals import Proposal

FORMAT = "k8s-auto-fixer/case/1"


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """How an incident stood when a run of it began. Changes carry neither patches nor inverses."""

    incident: Incident
    rounds: tuple[Round, ...] = ()
    changes: tuple[Change, ...] = ()
    requests: tuple[Request, ...] = ()
    decisions: tuple[Decision, ...] = ()


class Read(msgspec.Struct, frozen=True, kw_only=True, tag="read"):
    """One reading of the subject, with the answers to what playbooks wanted; no ``evidence``: it was gone.

    ``incident``: as it was then, with the signals counted until then.
    """

    at: datetime
    evidence: Evidence | None = None
    incident: Incident | None = None


class Lately(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules over time looked at: other changes (no values), the namespace's size, the switches."""

    now: datetime
    recent: tuple[Change, ...] = ()
    workloads: int = 0
    switches: tuple[Switch, ...] = ()


class Guarded(msgspec.Struct, frozen=True, kw_only=True, tag="guarded"):
    """What the guardrails were shown of one proposal, as far as it got.

    ``live``, ``replica_sets`` and ``answer`` (of the server's dry run) are masked; ``diff`` is the difference as it may
    be shown; ``digest``: what an approval of it names. ``generation``: of the object once the change was applied; None
    if it was not. ``made``: the uid of what was created for it. ``failure``: the ruling that stands for an error of the
    cluster, in place of all that was ruled.
    """

    at: datetime
    proposal: Proposal
    live: dict[str, Any] | None = None
    replica_sets: tuple[dict[str, Any], ...] = ()
    continues: tuple[IncidentId, ...] = ()
    sources: tuple[dict[str, Any], ...] = ()
    known: tuple[ChangeId, ...] = ()
    early: Lately | None = None
    answer: dict[str, Any] | None = None
    diff: tuple[LeafChange, ...] = ()
    digest: str = ""
    late: Lately | None = None
    generation: int | None = None
    made: Uid = Uid("")
    failure: Ruling | None = None


class Verified(msgspec.Struct, frozen=True, kw_only=True, tag="verified"):
    """What verification said of the change that was applied last."""

    at: datetime
    verification: Verification


class Settled(msgspec.Struct, frozen=True, kw_only=True, tag="settled"):
    """How the standing changes were settled: those undone and kept, and why they stay."""

    at: datetime
    undone: int = 0
    kept: int = 0
    because: str = ""


class TakenBack(msgspec.Struct, frozen=True, kw_only=True, tag="taken-back"):
    """One change was taken back to make way; ``refused`` says why not, if it was not."""

    at: datetime
    refused: str = ""


class LookedUp(msgspec.Struct, frozen=True, kw_only=True, tag="looked-up"):
    """What had become of changes that were sent and never answered for. ``put_back``: their object was made again."""

    at: datetime
    states: dict[ChangeId, ChangeState] = {}
    put_back: bool = False


class Searched(msgspec.Struct, frozen=True, kw_only=True, tag="searched"):
    """What a search found, or why it could not be made."""

    at: datetime
    query: str
    limit: int
    findings: tuple[dict[str, Any], ...] = ()
    error: str = ""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """How one program in the sandbox ended: its value and what it printed, or its error."""

    ok: bool
    value: Any = None
    output: str = ""
    error: str | None = None


class Computed(msgspec.Struct, frozen=True, kw_only=True, tag="computed"):
    """What a program in the sandbox answered, or why none could be run. ``program``: digest of code and inputs."""

    at: datetime
    program: str
    result: Result | None = None
    error: str = ""


class Answered(msgspec.Struct, frozen=True, kw_only=True, tag="answered"):
    """What a model answered one agent, or how it failed (``error``: the kind of error and its text).

    ``prompt``: digest of everything it was asked, the schema and the names of its tools included.
    """

    at: datetime
    agent: str
    prompt: str
    answer: Any = None
    model: str = ""
    cost: dict[str, int] = {}
    cached: bool = False
    error: tuple[str, str] | None = None


Told = Read | Guarded | Verified | Settled | TakenBack | LookedUp | Searched | Computed | Answered


class About(msgspec.Struct, frozen=True, kw_only=True):
    """Which program decided, and the settings that its decisions rest on.

    ``playbooks``: a digest of each family's code; ``prompts``: of each agent's words. ``models``: the agents that had
    one. ``store``, ``namespace``: what the commands name that a person is told.
    """

    version: str
    playbooks: dict[str, str]
    prompts: dict[str, str] = {}
    policy: Policy
    speed: Annotated[float, msgspec.Meta(gt=0, le=1000)] = 1.0
    settle_seconds: float = 60.0
    grace_seconds: float = 0.0
    models: tuple[str, ...] = ()
    namespace: str = ""
    store: str = ""


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """What one node decided: its words, who is next, the rounds with every ruling, the outcome."""

    node: str
    says: tuple[str, ...] = ()
    next: str = ""
    rounds: tuple[Any, ...] = ()
    outcome: dict[str, Any] | None = None


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the graph on one incident.

    ``used``: what earlier runs had used up of the incident's budget. ``failed``: the error that ended it, if one did.
    """

    began: datetime
    about: About
    start: Start
    told: tuple[Told, ...]
    decided: tuple[Decided, ...]
    used: dict[str, int] = {}
    failed: str = ""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one incident's decisions rested on, in one file. ``remarks``: what is missing, and why."""

    format: str
    exported_by: str
    incident: Incident
    runs: tuple[Run, ...]
    remarks: tuple[str, ...] = ()
