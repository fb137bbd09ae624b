"""What one pass over the nodes of a DaemonSet deletes and creates. Pure.

After pkg/controller/daemon/daemon_controller.go (podsShouldBeOnNode) and update.go (rollingUpdate) in Kubernetes
v1.36. ``Plan`` names pods and nodes; who writes them decides nothing more.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from simulator.controllers.controller import is_deleting
from simulator.controllers.daemon_placement import is_updated, should_run
from simulator.controllers.pods import is_ready, is_terminal
from simulator.informer import Object


@dataclass
class Plan:
    """Pods to delete, nodes to create one on, and pods that have ended by themselves."""

    delete: list[Object] = field(default_factory=list)
    create: list[str] = field(default_factory=list)
    ended: list[Object] = field(default_factory=list)


@dataclass(frozen=True)
class View:
    """A DaemonSet, the nodes, and its pods by node; ``available`` says whether a pod is."""

    daemon_set: Object
    nodes: list[Object]
    pods: dict[str, list[Object]]
    digest: str
    available: Callable[[Object], bool]

    def wanted(self) -> set[str]:
        """The names of the nodes that should run a pod."""
        return {node["metadata"]["name"] for node in self.nodes if should_run(self.daemon_set, node)[0]}

    def bounds(self, desired: int) -> tuple[int, int]:
        """maxSurge and maxUnavailable in pods, both rounded up; never both zero."""
        rolling = self.daemon_set["spec"].get("updateStrategy", {}).get("rollingUpdate") or {}
        surge, unavailable = (_scaled(rolling.get(key, 0), desired) for key in ("maxSurge", "maxUnavailable"))
        return surge, unavailable if surge or unavailable else 1

    def split(self, name: str) -> tuple[list[Object], list[Object]]:
        """The staying pods of one node, oldest first: those of the present template, and the others."""
        staying = by_age(pod for pod in self.pods.get(name, []) if not is_deleting(pod))
        new = [pod for pod in staying if is_updated(self.daemon_set, pod, self.digest)]
        return new, [pod for pod in staying if pod not in new]


def by_age(pods: Iterable[Object]) -> list[Object]:
    """Scheduled pods first, then the oldest."""

    def rank(pod: Object) -> tuple[bool, str, str]:
        metadata = pod["metadata"]
        return not pod["spec"].get("nodeName"), metadata["creationTimestamp"], metadata["name"]

    return sorted(pods, key=rank)


def manage(view: View) -> Plan:
    """One pod on every node that wants one, none elsewhere, ended ones replaced."""
    plan = Plan()
    known = set()
    for node in view.nodes:
        name = node["metadata"]["name"]
        known.add(name)
        start, stay = should_run(view.daemon_set, node)
        present = view.pods.get(name, [])
        if start and not present:
            plan.create.append(name)
        elif stay:
            _prune(view, name, plan, start=start)
        else:
            plan.delete += [pod for pod in present if not is_deleting(pod)]
    for name, pods in view.pods.items():
        if name not in known:  # its node is gone before it was bound: nobody else would delete it
            plan.delete += [pod for pod in pods if not pod["spec"].get("nodeName") and not is_deleting(pod)]
    return plan


def _prune(view: View, name: str, plan: Plan, *, start: bool) -> None:
    staying = by_age(pod for pod in view.pods.get(name, []) if not is_deleting(pod))
    plan.ended += [pod for pod in staying if is_terminal(pod)]
    running = [pod for pod in staying if not is_terminal(pod)]
    if not view.bounds(1)[0]:
        plan.delete += running[1:]
        return
    if not running and start:
        plan.create.append(name)
    if len(running) > 1:
        _prune_surge(view, running, plan)


def _prune_surge(view: View, running: list[Object], plan: Plan) -> None:
    new = [pod for pod in running if is_updated(view.daemon_set, pod, view.digest)]
    old = [pod for pod in running if pod not in new]
    plan.delete += [*new[1:], *old[1:]]
    if new and old and (not is_ready(old[0]) or view.available(new[0])):
        plan.delete.append(old[0])


def roll(view: View) -> Plan:
    """The next pods of a rolling update, within maxUnavailable or maxSurge."""
    wanted = view.wanted()
    surge, unavailable = view.bounds(len(wanted))
    names = list(dict.fromkeys([*view.pods, *sorted(wanted)]))
    return _surge(view, names, wanted, surge) if surge else _replace(view, names, unavailable)


def _replace(view: View, names: list[str], most: int) -> Plan:
    missing, broken, candidates = 0, [], []
    for name in names:
        new, old = view.split(name)
        if len(new) > 1 or len(old) > 1 or len(new) == len(old):
            missing += 1  # nothing there, or too much: the next pass puts it right
        elif new:
            missing += not view.available(new[0])
        elif not view.available(old[0]):
            broken.append(old[0])
            missing += 1
        elif missing < most:
            candidates.append(old[0])
    return Plan(delete=[*broken, *candidates[: max(0, most - missing)]])


def _surge(view: View, names: list[str], wanted: set[str], most: int) -> Plan:
    plan = Plan()
    surging, available = 0, 0
    candidates: list[str] = []
    leaving: list[Object] = []
    for name in names:
        new, old = view.split(name)
        if len(new) > 1 or len(old) > 1:
            surging += 1
            continue
        available += any(view.available(pod) for pod in (old or new)[:1])
        if not old:
            continue
        if new:
            if view.available(new[0]):
                plan.delete.append(old[0])
            else:
                surging += 1
        elif not view.available(old[0]):
            if name in wanted:
                plan.create.append(name)
            else:
                plan.delete.append(old[0])
        elif name not in wanted:
            leaving.append(old[0])
        elif surging < most:
            candidates.append(name)
    plan.delete += leaving[: max(0, available - len(wanted))]
    plan.create += candidates[: max(0, most - surging)]
    return plan


def _scaled(value: int | str, total: int) -> int:
    if isinstance(value, int):
        return value
    return -(-int(value.removesuffix("%")) * total // 100)
