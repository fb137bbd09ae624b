"""Programs that reach nothing: a NetworkPolicy that lets out nothing, or names looked up where nobody answers.

Rules: networking.k8s.io/v1 (a policy that selects a pod for egress and lists no rule denies all of it, DNS too) and
the pod's dnsPolicy and dnsConfig. What may talk to what is decided by people: it is told, with the object and field,
and with the command that opens the port of name servers where one policy alone closes it. What else a sealed program
may reach no state of the cluster says, and nothing wider is worded. Where names are looked up at other servers, to look
them up at the cluster's is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from incidents.evidence import Evidence
from incidents.incident import Round
from incidents.objects import TEMPLATED, Manifest, selects
from incidents.proposals import Diagnosis, Needs, Opinion, Risk, SetField, Silent
from incidents.symptoms import Symptom
from playbooks.by_hand import all_names, body, by_hand
from playbooks.confidence import SUGGESTED
from playbooks.edits import opinion, wanting

FAMILY = "network"
SYMPTOMS = (Symptom.CRASH_LOOP, Symptom.NOT_READY, Symptom.ROLLOUT_STUCK)
SUBJECTS = TEMPLATED

_UNREACHED = re.compile(
    r"(?:lookup [^\n]{0,120}(?:timeout|timed out|no such host|server misbehaving)|temporary failure in name resolution"
    r"|could not resolve host|name or service not known|getaddrinfo|EAI_AGAIN|i/o timeout|connection timed out"
    r"|network is unreachable|no route to host)[^\n]{0,80}",
    re.IGNORECASE,
)
_LOOKUP = re.compile(r"lookup|resolution|resolve|name or service|getaddrinfo|EAI_AGAIN", re.IGNORECASE)
_DNS = 53
_NAME_SERVERS = {
    "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}],
    "ports": [{"protocol": "UDP", "port": _DNS}, {"protocol": "TCP", "port": _DNS}],
}


def consider(evidence: Evidence, rounds: Sequence[Round]) -> Silent | Needs | Opinion:
    """What keeps a program from its names or its peers, where its own log says that it reaches none."""
    found = (match for excerpt in evidence.logs if (match := _UNREACHED.search(excerpt.text)))
    match = next(found, None)
    if match is None or not set(SYMPTOMS) & evidence.health.symptoms:
        return Silent("no log tells of a network that does not answer")
    said = f"its log says: {match.group(0)[:200]}"
    if cause := _names(evidence):
        return _looked_up_here(evidence, match.group(0), _told(cause, said))
    if needs := wanting(evidence, "NetworkPolicy"):
        return needs
    ours = list(_for_egress(evidence))
    names = ", ".join(item["metadata"]["name"] for item in ours)
    if not ours:
        return Silent("no policy and no setting of its own explains it")
    if not any(item["spec"].get("egress") for item in ours):
        cause = f"NetworkPolicy {names} allows its pods no egress at all, DNS included"
    elif _LOOKUP.search(match.group(0)) and not any(_lets_ask(rule) for one in ours for rule in _rules(one)):
        cause = f"NetworkPolicy {names} allows its pods no egress to port 53, so that no name is found (DNS)"
    else:
        return Silent("no policy and no setting of its own explains it")
    told = _told(cause, said, _asking(ours) if _LOOKUP.search(match.group(0)) else ())
    return Silent("who may reach what is for a person to say", told)


def _told(cause: str, said: str, commands: tuple[str, ...] = ()) -> Diagnosis:
    return Diagnosis(family=FAMILY, cause=cause, confidence=0.9, rests_on=(said,), by_hand=commands)


def _asking(policies: Sequence[Manifest]) -> tuple[str, ...]:
    """The command that lets the pods of the one policy ask the cluster's name servers; none where there are more.

    What one policy allows is allowed: with several, whose rule it is to be is for a person to say.
    """
    metadata, whom = policies[0]["metadata"], policies[0]["spec"].get("podSelector") or {}
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if len(policies) != 1 or not all_names((name, namespace)):
        return ()
    if policies[0]["spec"].get("egress"):
        operations: list[object] = [{"op": "add", "path": "/spec/egress/-", "value": _NAME_SERVERS}]
    else:  # whoever has listed a rule in the meantime keeps it: the test fails then
        operations = [
            {"op": "test", "path": "/spec/egress", "value": policies[0]["spec"].get("egress")},
            {"op": "add", "path": "/spec/egress", "value": [_NAME_SERVERS]},
        ]
    pods = "the pods that it selects" if any(whom.values()) else "every pod of the namespace"
    return by_hand(
        f"lets {pods} ask the name servers of kube-system, and reach nothing else that they do not reach now",
        *("patch", "networkpolicy", str(name), "--type=json", "-p", body(operations)),
        namespace=str(namespace),
    )


def _looked_up_here(evidence: Evidence, heard: str, told: Diagnosis) -> Silent | Opinion:
    """To look names up at the cluster's name servers: asked for where it is names that it does not find.

    What the node finds by its own servers the cluster's know too: they ask those for what they do not know. A
    dnsConfig stays, and is asked after them.
    """
    policy = evidence.pod_spec.get("dnsPolicy")
    if (
        not _LOOKUP.search(heard)
        or evidence.pod_spec.get("hostNetwork")
        or (policy == "Default" and ".svc" not in heard)
    ):
        return Silent("where names are looked up is for a person to say", told)
    return opinion(
        evidence,
        SetField(path=f"{evidence.pod_path}/dnsPolicy", expected=policy, value="ClusterFirst"),
        family=FAMILY,
        cause=told.cause,
        rests_on=told.rests_on,
        ends=next(one for one in SYMPTOMS if one in evidence.health.symptoms),
        reason="look names up at the cluster's name servers (dnsPolicy ClusterFirst)",
        confidence=SUGGESTED,
        risk=Risk.MEDIUM,
    )


def _names(evidence: Evidence) -> str:
    """How it looks names up, where that is not the cluster's way; empty where it is."""
    policy = evidence.pod_spec.get("dnsPolicy") or "ClusterFirst"
    servers = (evidence.pod_spec.get("dnsConfig") or {}).get("nameservers") or ()
    if policy == "None":
        asked = ", ".join(map(str, servers)) or "that are empty"
        return f"dnsPolicy None: all names are looked up at dnsConfig.nameservers {asked}"
    if policy == "Default":
        return "dnsPolicy Default: names of Services are looked up where the node looks up its own"
    return ""


def _for_egress(evidence: Evidence) -> Iterator[Manifest]:
    """Policies that say where its pods may send; what none of them allows is denied."""
    labels = (evidence.template.get("metadata") or {}).get("labels") or {}
    for item in evidence.listed("NetworkPolicy") or ():
        spec = item.get("spec", {})
        says = spec.get("policyTypes") or (["Egress"] if spec.get("egress") else ())
        if "Egress" in says and _is_for(spec, labels):
            yield item


def _rules(policy: Manifest) -> Sequence[Manifest]:
    return policy["spec"].get("egress") or ()


def _lets_ask(rule: Manifest) -> bool:
    """Whether a rule lets somebody be asked at the port of name servers; a port by name may be that one."""
    ports = rule.get("ports") or ()
    return not ports or any(_is_dns(one) for one in ports)


def _is_dns(port: Manifest) -> bool:
    number, last = port.get("port"), port.get("endPort")
    if not isinstance(number, int):
        return True
    return number <= _DNS <= (last if isinstance(last, int) else number)


def _is_for(spec: Manifest, labels: Manifest) -> bool:
    chosen = spec.get("podSelector") or {}
    return not any(chosen.values()) or selects(chosen, labels)
