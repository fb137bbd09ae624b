"""Making room: which pods of lower priority would have to go for a pod that fits nowhere. Pure.

After pkg/scheduler/framework/preemption and plugins/defaultpreemption in Kubernetes v1.36: on each node where it might
help all lesser pods are taken away, then as many as possible are put back; the node that loses least wins.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from simulator.controllers.selecting import matches
from simulator.informer import Object
from simulator.scheduler.attempt import Attempt
from simulator.scheduler.board import Board, NodeInfo
from simulator.scheduler.verdicts import UNHELPFUL, Refusals, Verdict

_NOBODY = Verdict(("No preemption victims found for incoming pod",))
_NO_CLAIMS = "no new claims to deallocate, "
"""Said by the plugin for resource claims, which is asked first; no pod in here has any."""
_NO_STATE = "not found"
"""The same plugin again, which has nothing to go by when another has refused the pod before any node was looked at."""
_OLDEST = "9999"


@dataclass(frozen=True)
class Victims:
    """Who has to leave which node, the most important first, and how many of them a budget protects."""

    node: str
    pods: tuple[Object, ...]
    violations: int = 0

    @property
    def cost(self) -> tuple[int, int, int, int]:
        """The less the better; `pick` looks at start times only after that."""
        priorities = [priority_of(pod) for pod in self.pods]
        return self.violations, priorities[0], sum(item + 2**31 for item in priorities), len(priorities)

    @property
    def started(self) -> str:
        """Since when the first of the most important ones has run."""
        top = priority_of(self.pods[0])
        return min(_started(pod) for pod in self.pods if priority_of(pod) == top)


def priority_of(pod: Object) -> int:
    """The number that its priority class gave it."""
    return int(pod["spec"].get("priority") or 0)


def find_victims(attempt: Attempt, refusals: Refusals, budgets: Iterable[Object]) -> Victims | str:
    """Whom to evict, or what the FailedScheduling message says instead."""
    pod, board = attempt.pod, attempt.board
    if not refusals.before.fits:
        return _NO_STATE
    if pod["spec"].get("preemptionPolicy") == "Never":
        return f"{_NO_CLAIMS}preemption: not eligible due to preemptionPolicy=Never."
    if _is_under_way(pod, board, refusals):
        return f"{_NO_CLAIMS}preemption: not eligible due to a terminating pod on the nominated node."
    hopeful = [board.nodes[name] for name, item in refusals.by_node.items() if item.resolvable]
    protected = list(budgets)
    tried = {info.name: _try(attempt, info, protected) for info in hopeful}
    found = [item for item in tried.values() if isinstance(item, Victims)]
    if found:
        return pick(found)
    refused = {name: item for name, item in tried.items() if isinstance(item, Verdict)}
    return f"{_NO_CLAIMS}preemption: {Refusals(len(board.nodes), refused, absent=UNHELPFUL).message()}"


def pick(candidates: Iterable[Victims]) -> Victims:
    """The node that loses least; of equals the one whose victims have run for the shortest time."""
    listed = list(candidates)
    least = min(item.cost for item in listed)
    return max((item for item in listed if item.cost == least), key=lambda item: item.started)


def _is_under_way(pod: Object, board: Board, refusals: Refusals) -> bool:
    """Whether somebody is leaving the node that was promised to the pod."""
    name = (pod.get("status") or {}).get("nominatedNodeName") or ""
    info, said = board.nodes.get(name), refusals.by_node.get(name, refusals.before)
    if info is None or (not said.fits and not said.resolvable):
        return False
    return any(priority_of(other) < priority_of(pod) and _leaves_for_another(other) for other in info.pods.values())


def _leaves_for_another(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return bool(pod["metadata"].get("deletionTimestamp")) and any(
        item["type"] == "DisruptionTarget" and item["status"] == "True" and item["reason"] == "PreemptionByScheduler"
        for item in conditions
    )


def _try(attempt: Attempt, info: NodeInfo, budgets: list[Object]) -> Victims | Verdict:
    lesser = [pod for pod in info.pods.values() if priority_of(pod) < priority_of(attempt.pod)]
    if not lesser:
        return _NOBODY
    emptied = info.copy()
    for pod in lesser:
        emptied.remove(pod["metadata"]["uid"])
    said = attempt.on(emptied).verdict(emptied)
    if not said.fits:
        return said
    violating, free = _by_budget(sorted(lesser, key=_importance), budgets)
    victims, violations = [], 0
    for pod in (*violating, *free):
        if not _may_stay(attempt, emptied, pod):
            victims.append(pod)
            violations += pod in violating
    return Victims(info.name, tuple(sorted(victims, key=_importance)), violations)


def _may_stay(attempt: Attempt, emptied: NodeInfo, pod: Object) -> bool:
    emptied.add(pod)
    if attempt.on(emptied).verdict(emptied).fits:
        return True
    emptied.remove(pod["metadata"]["uid"])
    return False


def _importance(pod: Object) -> tuple[int, str]:
    return -priority_of(pod), _started(pod)


def _started(pod: Object) -> str:
    return str((pod.get("status") or {}).get("startTime") or _OLDEST)


def _by_budget(pods: list[Object], budgets: list[Object]) -> tuple[list[Object], list[Object]]:
    """The pods whose eviction would break a disruption budget, and the others."""
    allowed = {
        item["metadata"]["uid"]: int((item.get("status") or {}).get("disruptionsAllowed", 0)) for item in budgets
    }
    violating: list[Object] = []
    free: list[Object] = []
    for pod in pods:
        broken = False
        for budget in budgets:
            if _protects(budget, pod):
                allowed[budget["metadata"]["uid"]] -= 1
                broken = broken or allowed[budget["metadata"]["uid"]] < 0
        (violating if broken else free).append(pod)
    return violating, free


def _protects(budget: Object, pod: Object) -> bool:
    metadata = pod["metadata"]
    selector: Mapping[str, object] | None = budget["spec"].get("selector")
    if budget["metadata"].get("namespace") != metadata.get("namespace") or not selector:
        return False
    disrupted = (budget.get("status") or {}).get("disruptedPods") or {}
    return metadata["name"] not in disrupted and matches(selector, metadata.get("labels"))
