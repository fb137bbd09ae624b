"""What lasts: being well is believed after a while, and a start that never ends is none."""

from pathlib import Path

import pytest

from incidents.snapshot import pod_template, template_digest
from scraper.grace import Advice
from tests.builders import deployment, pod, replica_set, signal, stamp, subject
from tests.scraper.seeing import seeing


async def test_pods_that_are_replaced_before_they_are_ready_are_a_start_for_a_while_and_then_worked_on(
    tmp_path: Path,
) -> None:
    async with seeing(tmp_path, deployment(), replica_set(), pod(age=5)) as found:
        incident, _ = await found.store.open_or_join(subject(), signal())
        assert await found.grace.advise(incident) is Advice.WAIT
        found.clock.advance(1700)
        young = pod(age=-1695)
        assert young["metadata"]["creationTimestamp"] == stamp(-1695)
        found.cluster.serve(deployment(), replica_set(), young)
        assert await found.grace.advise(incident) is Advice.WAIT
        found.clock.advance(120)
        found.cluster.serve(deployment(), replica_set(), pod(age=-1815))
        assert await found.grace.advise(incident) is Advice.WORK


@pytest.mark.parametrize("replicas", [1, 0])
async def test_what_heals_is_remembered_as_well_and_what_is_scaled_to_nothing_is_not(
    tmp_path: Path, replicas: int
) -> None:
    served = deployment(replicas=replicas, ready=replicas)
    pods = [pod(ready=True)] if replicas else []
    async with seeing(tmp_path, served, replica_set(), *pods) as found:
        incident, _ = await found.store.open_or_join(subject(), signal())
        assert await found.grace.advise(incident) is Advice.WAIT
        found.clock.advance(11)
        assert await found.grace.advise(incident) is Advice.CLOSED
        remembered = {template_digest(pod_template(served))} if replicas else set()
        assert await found.store.good_revisions(subject()) == remembered
