"""Of any stream of events: one incident for each subject that is spoken of, whatever comes twice, late or all at once.

What counts in the end is the longest form of each series of events. Neither the order nor the batches in which they are
written, nor a process that ends and is started again in between, make a difference.
"""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incidents.incident import Incident
from incidents.objects import ClusterId
from incidents.policy import Policy
from scraper.intake import Intake, IntakeParts
from tests.builders import NOW, deployment, pod, replica_set, stamp, waiting
from tests.clocks import FakeClock
from tests.remediation.scripted import ScriptedCluster
from tools.cluster.owners import Owners
from tools.cluster.reader import Reader
from tools.store.sqlite import open_store

Object = dict[str, Any]
WEB = (deployment(), replica_set(), pod(waiting("CrashLoopBackOff")), pod(name="web-2"))


def named(name: str, namespace: str) -> tuple[Object, ...]:
    """The same Deployment under another name or in another namespace, with uids of its own."""
    text = orjson.dumps(WEB).decode().replace('"shop"', f'"{namespace}"').replace("web", name)
    return tuple(orjson.loads(text.replace("uid-", f"uid-{namespace}-{name}-")))


# Two of one name, two of one namespace, and one whose name begins with another's.
SUBJECTS = (named("web", "shop"), named("web", "mall"), named("api", "shop"), named("web-2", "shop"))
OBJECTS = tuple(item for subject in SUBJECTS for item in subject)


class Step(NamedTuple):
    """One event about one object; ``then``: nothing, all that is there is written, or the process is another one."""

    about: int
    reason: str
    times: int
    then: str


STEPS = st.lists(
    st.builds(
        Step,
        about=st.integers(0, len(OBJECTS) - 1),
        reason=st.sampled_from(["Failed", "BackOff", "Unheard-of"]),
        times=st.integers(1, 4),
        then=st.sampled_from(["", "", "write", "restart"]),
    ),
    max_size=14,
)


def event(step: Step) -> Object:
    """The event as the API server would show it then: of one series, the same uid."""
    item = OBJECTS[step.about]
    metadata = item["metadata"]
    about = {key: metadata[key] for key in ("namespace", "name", "uid")}
    return {
        "metadata": {"uid": f"{step.reason}-of-{metadata['uid']}", "namespace": metadata["namespace"]},
        "involvedObject": {"apiVersion": item["apiVersion"], "kind": item["kind"], **about},
        "type": "Warning",
        "reason": step.reason,
        "message": "it does not work",
        "count": step.times,
        "lastTimestamp": stamp(),
    }


async def incidents_after(folder: Path, steps: Sequence[Step]) -> list[Incident]:
    """What is open once all of it was taken in."""
    clock = FakeClock()
    async with open_store(folder / "store.sqlite", now=clock.now) as store:

        def process() -> Intake:
            reader = Reader(ScriptedCluster(*OBJECTS))
            owners = Owners(reader, ClusterId("cluster-1"))
            parts = IntakeParts(
                reader=reader, owners=owners, store=store, policy=Policy(), clock=clock, queue_up=lambda _: None
            )
            return Intake(parts, monotonic=lambda: (clock.now() - NOW).total_seconds())

        intake = process()
        for step in steps:
            await intake.take(event(step))
            if step.then:
                await intake.write()
            if step.then == "restart":
                intake = process()
        await intake.write()
        return await store.incidents()


def told(incidents: Sequence[Incident]) -> dict[str, int]:
    """How much each incident has counted, by its subject's uid; two of one subject would be one too many."""
    found = {str(one.subject.uid): one.signals for one in incidents}
    assert len(found) == len(incidents)
    return found


def expected(steps: Sequence[Step]) -> dict[str, int]:
    """The longest form of each series, added up by the Deployment at the top of what it is about."""
    longest: dict[tuple[int, str], int] = {}
    for step in steps:
        series = (step.about, step.reason)
        longest[series] = max(step.times, longest.get(series, 0))
    counted: dict[str, int] = {}
    for (about, _), count in longest.items():
        uid = SUBJECTS[about // len(WEB)][0]["metadata"]["uid"]
        counted[uid] = counted.get(uid, 0) + count
    return counted


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_each_subject_has_one_incident_that_counts_every_series_once(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert told(asyncio.run(incidents_after(Path(folder), steps))) == expected(steps)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_order_and_no_repetition_makes_a_difference(data: st.DataObject) -> None:
    steps = data.draw(STEPS)
    again = data.draw(st.lists(st.sampled_from(steps), max_size=6)) if steps else []
    shuffled = data.draw(st.permutations([*steps, *again]))
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        before = told(asyncio.run(incidents_after(Path(one), steps)))
        assert told(asyncio.run(incidents_after(Path(other), shuffled))) == before
