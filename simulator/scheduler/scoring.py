"""Which of the nodes that fit is the best one. Pure, but for the throw of a die between equals.

The wishes of kube-scheduler's default profile in the order of their weight, compared one after the other instead of
summed: taints to avoid, preferred node affinity, preferred pod affinity, spreading, then the least taken node. Where a
sum would choose another node than this order does, so may the real one.
"""

import random
from collections import Counter
from collections.abc import Iterable

from simulator.informer import Object
from simulator.node_selection import node_affinity, preference, unwelcome
from simulator.scheduler.attempt import Attempt
from simulator.scheduler.board import NodeInfo
from simulator.scheduler.pod_affinity import has_preferences


def best(attempt: Attempt, fitting: Iterable[NodeInfo], siblings: Iterable[Object], dice: random.Random) -> NodeInfo:
    """``siblings``: the pods of the same owner, which are spread."""
    board, pod = attempt.board, attempt.pod
    crowds = Counter(other["spec"].get("nodeName", "") for other in siblings)
    picky = bool(node_affinity(pod))
    near = attempt.affinity.preference(board) if has_preferences(pod) else {}
    crowding = attempt.spreading.crowding(board)

    def rank(info: NodeInfo) -> tuple[float, ...]:
        return (
            unwelcome(pod, info.taints) if info.taints else 0,
            -preference(pod, info.node) if picky else 0,
            -near.get(info.name, 0),
            crowding.get(info.name, 0),
            crowds[info.name],
            len(info.pods),
            _taken(attempt, info),
            dice.random(),
        )

    return min(fitting, key=rank)


def _taken(attempt: Attempt, info: NodeInfo) -> float:
    """The share of memory that would be asked for."""
    wanted = info.requested.memory_bytes + attempt.requests.memory_bytes
    return wanted / info.room.memory_bytes if info.room.memory_bytes else 0.0
