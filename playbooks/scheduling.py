"""Pods that no node can ever take: the constraint that no node satisfies is corrected where one correction is meant.

Rules: pkg/scheduler/framework/plugins (nodeaffinity, nodename, noderesources, tainttoleration, interpodaffinity,
podtopologyspread). A wrong value of a node label is corrected to the one neighbour that nodes have; a required
anti-affinity of a workload against itself, with more replicas than nodes, becomes a preference. Where capacity, labels
or tolerations are missing a person is told: nodes are bought and labelled by people, and a taint says "not you"; where
its demands single out one node, with the command that opens it (``playbooks/node_meant.py``). What only an autoscaler
can know, such as a pool that has no node just now, is left to it (``playbooks/arriving.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from incidents.evidence import Evidence
from incidents.incident import Round
from incidents.objects import Manifest, selects
from incidents.proposals import Diagnosis, Needs, Opinion, SetField, Silent
from incidents.snapshot import is_ready
from incidents.symptoms import Symptom
from playbooks.arriving import arriving, outside_knowledge
from playbooks.confidence import CERTAIN, ONLY_ONE_FITS, SEEN_WELL
from playbooks.edits import opinion, wanting
from playbooks.last_good import basis, good_value, never_well
from playbooks.neighbours import nearest
from playbooks.node_meant import at_the_node
from playbooks.placement import REQUIRED, beside, keeps_data, labels_of, spread, too_large
from playbooks.stepping_aside import on_the_nodes
from playbooks.unplaced import SHORT_OF, Rule, has, in_words

FAMILY = "scheduling"
SYMPTOMS = (Symptom.UNSCHEDULABLE, Symptom.ROLLOUT_STUCK, Symptom.NOT_READY)
SUBJECTS = ("Deployment", "StatefulSet", "DaemonSet", "CronJob")

_SELECTOR = "didn't match Pod's node affinity/selector"
_HOSTNAME = "kubernetes.io/hostname"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def consider(evidence: Evidence, rounds: Sequence[Round]) -> Silent | Needs | Opinion:
    """An opinion on the first pod of the present template that cannot be placed."""
    said = [found.detail for found in evidence.health.findings if found.symptom is Symptom.UNSCHEDULABLE]
    if not said:
        return _placed_by_hand(evidence)
    if needs := wanting(evidence, "Node"):
        return needs
    nodes = evidence.listed("Node")
    if nodes is None:
        return Silent("the nodes could not be read", _diagnosis(said[0], "no node takes its pods", 0.5))
    rules = tuple(_rules(evidence))
    told = _diagnosis(said[0], *in_words(evidence, nodes, said[0], rules=rules))
    if because := arriving(evidence, nodes):
        return Silent(because, told)
    for way in (_label, _apart, _beside, _spread, _tolerating, _too_large, _aside):
        if (answer := way(evidence, nodes, said[0])) is not None:
            return answer
    told = msgspec.structs.replace(told, by_hand=at_the_node(evidence, nodes, rules))
    return Silent("no one correction would let a node take its pods", told)


def _beside(evidence: Evidence, nodes: Sequence[Manifest], said: str) -> Opinion | Needs | None:
    return beside(evidence, said, FAMILY)


def _spread(evidence: Evidence, nodes: Sequence[Manifest], said: str) -> Opinion | None:
    return spread(evidence, nodes, said, FAMILY)


def _too_large(evidence: Evidence, nodes: Sequence[Manifest], said: str) -> Opinion | None:
    short = SHORT_OF.search(said)
    return too_large(evidence, nodes, short["what"], said=said, family=FAMILY) if short else None


def _aside(evidence: Evidence, nodes: Sequence[Manifest], said: str) -> Opinion | None:
    return on_the_nodes(evidence, FAMILY)


def _diagnosis(said: str, cause: str, confidence: float, *more: str) -> Diagnosis:
    return Diagnosis(family=FAMILY, cause=cause, confidence=confidence, rests_on=(said[:240], *more))


def _rules(evidence: Evidence) -> Iterator[Rule]:
    """What the template demands of a node's labels, each demand by itself."""
    for key, value in (evidence.pod_spec.get("nodeSelector") or {}).items():
        part = key.replace("~", "~0").replace("/", "~1")
        yield Rule(key=key, value=str(value), path=f"/nodeSelector/{part}", key_path="/nodeSelector")
    required = ((evidence.pod_spec.get("affinity") or {}).get("nodeAffinity") or {}).get(REQUIRED) or {}
    terms = list(required.get("nodeSelectorTerms") or ())
    if len(terms) != 1:
        return  # one of several is enough, and nobody knows which was meant
    for index, expression in enumerate(terms[0].get("matchExpressions") or ()):
        values = list(expression.get("values") or ())
        if expression.get("operator") == "In" and len(values) == 1:
            at = f"/affinity/nodeAffinity/{REQUIRED}/nodeSelectorTerms/0/matchExpressions/{index}/values/0"
            yield Rule(key=str(expression.get("key")), value=str(values[0]), path=at)


def _unmet(evidence: Evidence, nodes: Sequence[Manifest]) -> list[Rule]:
    return [rule for rule in _rules(evidence) if not any(has(node, rule) for node in nodes)]


def _label(evidence: Evidence, nodes: Sequence[Manifest], said: str) -> Opinion | None:
    """The one demand that no node meets, corrected: as it was in the last good revision, or to its one neighbour."""
    unmet = _unmet(evidence, nodes)
    if _SELECTOR not in said or len(unmet) != 1:
        return None
    rule = unmet[0]
    others = [other for other in _rules(evidence) if other != rule]
    before = _value_before(evidence, rule, nodes)
    values = {labels_of(node)[rule.key] for node in nodes if rule.key in labels_of(node)}
    meant = before or (None if outside_knowledge(rule.key, rule.value) else nearest(rule.value, values))
    fits = any(labels_of(node).get(rule.key) == meant and all(has(node, one) for one in others) for node in nodes)
    if meant is None or not fits:
        return _other_key(evidence, rule, others, nodes, said) if meant is None else None
    source = f"{basis(evidence.last_good)}, with {meant}" if before and evidence.last_good else f"nodes have {meant}"
    return opinion(
        evidence,
        SetField(path=evidence.pod_path + rule.path, expected=rule.value, value=meant),
        family=FAMILY,
        cause=f"no node has the label {rule.key}={rule.value}",
        rests_on=(said[:240], source),
        ends=Symptom.UNSCHEDULABLE,
        reason=f"ask for {rule.key}={meant} in place of {rule.value}",
        confidence=SEEN_WELL if before else CERTAIN,
    )


def _value_before(evidence: Evidence, rule: Rule, nodes: Sequence[Manifest]) -> str | None:
    value = good_value(evidence, rule.path) if never_well(evidence) else None
    there = isinstance(value, str) and any(labels_of(node).get(rule.key) == value for node in nodes)
    return value if there and value != rule.value else None


def _other_key(
    evidence: Evidence, rule: Rule, others: Sequence[Rule], nodes: Sequence[Manifest], said: str
) -> Opinion | None:
    """A misspelt key: the one label key like it of which a node has this very value."""
    if not rule.key_path or outside_knowledge(rule.key, rule.value):
        return None
    with_value = [node for node in nodes if all(has(node, one) for one in others)]
    keys = {key for node in with_value for key, value in labels_of(node).items() if value == rule.value}
    meant = nearest(rule.key, keys)
    if meant is None:
        return None
    selector = evidence.pod_spec["nodeSelector"]
    value = {(meant if key == rule.key else key): text for key, text in selector.items()}
    return opinion(
        evidence,
        SetField(path=f"{evidence.pod_path}{rule.key_path}", expected=selector, value=value),
        family=FAMILY,
        cause=f"no node has the label {rule.key}={rule.value}",
        rests_on=(said[:240], f"nodes have {meant}={rule.value}"),
        ends=Symptom.UNSCHEDULABLE,
        reason=f"ask for {meant}={rule.value} in place of {rule.key}",
        confidence=CERTAIN,
    )


def _apart(evidence: Evidence, nodes: Sequence[Manifest], said: str) -> Opinion | None:
    """More replicas than nodes, none of which may share one: they would rather not, in place of must not."""
    affinity = (evidence.pod_spec.get("affinity") or {}).get("podAntiAffinity") or {}
    required, labels = (
        list(affinity.get(REQUIRED) or ()),
        (evidence.template.get("metadata") or {}).get("labels") or {},
    )
    itself = [
        term for term in required if term.get("topologyKey") == _HOSTNAME and selects(term.get("labelSelector"), labels)
    ]
    if "anti-affinity" not in said or len(required) != 1 or not itself or evidence.snapshot.desired <= len(nodes):
        return None
    if not _may_replace(evidence) or keeps_data(evidence):
        return None
    softened = {
        **{key: value for key, value in affinity.items() if key != REQUIRED},
        _PREFERRED: [
            *(affinity.get(_PREFERRED) or ()),
            {"weight": 100, "podAffinityTerm": required[0]},
        ],
    }
    return opinion(
        evidence,
        SetField(path=f"{evidence.pod_path}/affinity/podAntiAffinity", expected=affinity, value=softened),
        family=FAMILY,
        cause=f"{evidence.snapshot.desired} replicas may not share a node, and there are {len(nodes)} nodes",
        rests_on=(said[:240], f"there are {len(nodes)} nodes for {evidence.snapshot.desired} replicas"),
        ends=Symptom.UNSCHEDULABLE,
        reason="prefer nodes of their own for the replicas in place of requiring them",
        confidence=ONLY_ONE_FITS,
    )


def _may_replace(evidence: Evidence) -> bool:
    """Whether a rollout could take away ready pods that keep new ones off their nodes by the rule they still carry.

    A rolling update never goes below its number of available pods: with too few of them it waits for ever.
    """
    spec, desired = evidence.snapshot.workload.get("spec", {}), evidence.snapshot.desired
    strategy = spec.get("strategy") or {}
    if evidence.subject.kind != "Deployment":
        return False
    if strategy.get("type") == "Recreate" or not any(is_ready(pod) for pod in evidence.snapshot.current_pods):
        return True
    text = str((strategy.get("rollingUpdate") or {}).get("maxUnavailable", "25%"))
    number = int(text.rstrip("%")) if text.rstrip("%").isdecimal() else 0
    missing = desired * number // 100 if text.endswith("%") else number
    return evidence.snapshot.ready > desired - missing


def _placed_by_hand(evidence: Evidence) -> Silent | Needs | Opinion:
    """A node by a name that no node has: the scheduler is never asked, and what cleans up deletes the pods again."""
    name, late = evidence.pod_spec.get("nodeName"), evidence.health.symptoms & set(SYMPTOMS)
    if not name or not late:
        return Silent("every pod has found a node")
    if needs := wanting(evidence, "Node"):
        return needs
    nodes = evidence.listed("Node")
    if not nodes or any(node["metadata"]["name"] == name for node in nodes):
        return Silent("the node that it names is there" if nodes else "the nodes could not be read")
    return opinion(
        evidence,
        SetField(path=f"{evidence.pod_path}/nodeName", expected=name, value=None),
        family=FAMILY,
        cause=f"it has to run on node {name} (nodeName), and there is no node of that name",
        rests_on=(f"none of {len(nodes)} nodes is called {name}",),
        ends=next(one for one in SYMPTOMS if one in late),
        reason="let the scheduler choose the node",
        confidence=CERTAIN,
    )


def _tolerating(evidence: Evidence, nodes: Sequence[Manifest], said: str) -> Opinion | None:
    """The one toleration that is a slip of a taint's key or value away from it. Who may run there is for a person."""
    taints = [taint for node in nodes for taint in node.get("spec", {}).get("taints") or ()]
    slips = [
        (index, field, str(one.get(field)), meant)
        for index, one in enumerate(evidence.pod_spec.get("tolerations") or ())
        for field in ("key", "value")
        if (meant := _taint_meant(one, field, taints)) is not None
    ]
    if "taint" not in said or len(slips) != 1:
        return None
    index, field, wrong, meant = slips[0]
    return opinion(
        evidence,
        SetField(path=f"{evidence.pod_path}/tolerations/{index}/{field}", expected=wrong, value=meant),
        family=FAMILY,
        cause=f"its toleration says {field} {wrong}, and the taints of the nodes say {meant}",
        rests_on=(said[:240], f"nodes have taints with {field} {meant}, and no other is like it"),
        ends=Symptom.UNSCHEDULABLE,
        reason=f"tolerate {field} {meant} in place of {wrong}",
        confidence=CERTAIN,
    )


def _taint_meant(toleration: Manifest, field: str, taints: Sequence[Manifest]) -> str | None:
    """What a toleration's key or value can have meant, among the taints that have its other half."""
    other = "value" if field == "key" else "key"
    any_value = toleration.get("operator") == "Exists" and other == "value"
    rest = [one for one in taints if any_value or (one.get(other) or "") == (toleration.get(other) or "")]
    there = {str(one.get(field) or "") for one in rest}
    wrong = str(toleration.get(field) or "")
    return nearest(wrong, there) if wrong not in there else None
