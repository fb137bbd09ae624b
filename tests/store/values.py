"""Values that a store is asked to keep, with every field in use."""

from datetime import timedelta
from typing import Any

import msgspec

from incidents.changes import Change, LeafChange
from incidents.decisions import Decision, DecisionKind, Request
from incidents.evidence import Evidence, LogExcerpt
from incidents.incident import Result, Round, Verification
from incidents.objects import IncidentId
from incidents.policy import Answer, Ruling, Verdict
from incidents.proposals import Diagnosis, RollBack
from incidents.subjects import Subject
from tests.builders import (
    NOW,
    change,
    container,
    deployment,
    evidence,
    not_there,
    pod,
    proposal,
    replica_set,
    snapshot,
    subject,
    template,
)
from tools.notify.contract import Notice, Section


def other_subject(uid: str = "uid-other") -> Subject:
    """A Deployment of the same name that is another object."""
    workload = deployment()
    workload["metadata"]["uid"] = uid
    return subject(workload)


def some_evidence() -> Evidence:
    """What was read of a Deployment whose image does not exist."""
    present = template(container(image="nginx:x"))
    taken = snapshot(deployment(present), [replica_set(present)], [pod(not_there("nginx:x"), of=replica_set(present))])
    read = evidence(taken, seen_well=[2], answers={"known-images:nginx": ("nginx:1",)}, events=["not found"])
    return msgspec.structs.replace(
        read, logs=(LogExcerpt(pod="web-1", container="web", previous=True, text="boom"),), unread=("x",)
    )


def some_round(number: int = 1) -> Round:
    """A round that proposed a rollback."""
    return Round(
        number=number,
        diagnosis=Diagnosis(family="image", cause="typo", confidence=0.9, rests_on=("a", "b")),
        proposal=proposal(action=RollBack(replica_set="web-h1", digest="d")),
        verdict=Verdict((Ruling("mode", Answer.ALLOW, "auto"),)),
        diff=(LeafChange(pointer="/spec/x", before=None, after={"a": [1, None]}),),
        verification=Verification(result=Result.BETTER, detail="so so", ready=1),
    )


def change_of(incident: str, id_: str = "change-1", **fields: Any) -> Change:
    """A prepared change of an incident."""
    return change(id_, incident=incident, **fields)


def request_for(incident: str, id_: str = "request-1", *, digest: str = "digest-1", **fields: Any) -> Request:
    """A change that a person is asked for."""
    return Request(
        **{
            "id": id_,
            "incident": IncidentId(incident),
            "round": 1,
            "digest": digest,
            "proposal": proposal(),
            "verdict": Verdict((Ruling("mode", Answer.NEEDS_APPROVAL, "approve"),)),
            "diff": (LeafChange(pointer="/spec/x", before=1, after=2),),
            "asked_at": NOW,
            "expires_at": NOW + timedelta(hours=1),
            **fields,
        }
    )


def decision_on(request: Request, kind: DecisionKind = DecisionKind.APPROVE, id_: str = "", **fields: Any) -> Decision:
    """What a person says to a request."""
    return Decision(
        **{
            "id": id_ or f"decision-on-{request.id}",
            "kind": kind,
            "incident": request.incident,
            "request": request.id,
            "digest": request.digest,
            "by": "jo",
            "reason": "looks right",
            "decided_at": NOW,
            **fields,
        }
    )


def retry_of(incident: str, id_: str = "retry-1") -> Decision:
    """A person wants an incident to be worked on again."""
    return Decision(id=id_, kind=DecisionKind.RETRY, incident=IncidentId(incident), by="jo", decided_at=NOW)


def notice(key: str = "incident-1/handed-over", incident: str = "incident-1") -> Notice:
    """A message to a person."""
    return Notice(key=key, title="t", sections=(Section(lines=("a",), verbatim=True),), incident=incident)
