"""What a proposal is about, as the evidence has it: the subject, an object beside it, or one that is missing."""

from __future__ import annotations

from incidents.evidence import Evidence
from incidents.incident import Incident
from incidents.objects import Manifest, controller_of
from incidents.proposals import Create, Proposal
from remediation.anew import nothing_of
from remediation.seal import Unsealable


class NotRead(Unsealable):
    """A proposal about an object that was not read for the evidence, or is of another namespace."""


def as_read(evidence: Evidence, proposal: Proposal) -> Manifest:
    """The target as it was read for the evidence: the subject, or an object beside it in its namespace.

    Of one that is to be created it was read that it is not there.
    """
    if proposal.target.uid == evidence.subject.uid:
        return evidence.snapshot.workload
    target = proposal.target
    if isinstance(proposal.action, Create):
        there = evidence.listed(target.kind)
        taken = there is None or any(one["metadata"].get("name") == target.name for one in there)
        if taken or target.namespace != evidence.subject.namespace:
            raise NotRead(f"the evidence does not show that {target} is missing")
        return nothing_of(target)
    wanted = (target.uid, evidence.subject.namespace)
    for item in (*evidence.snapshot.related, *(one for found in evidence.objects.values() for one in found)):
        if (item["metadata"].get("uid"), item["metadata"].get("namespace", "")) == wanted:
            return item
    raise NotRead(f"{target} is not what the evidence is about")


def managed_by(incident: Incident, live: Manifest) -> str:
    """Who keeps the target as it is: for an object beside the subject, whoever owns that."""
    if live["metadata"]["uid"] == incident.subject.uid and (incident.subject.is_workload or incident.subject.manager):
        return incident.subject.manager
    owner = controller_of(live)
    return f"{owner.get('kind')} {owner.get('name')}" if owner is not None else ""
