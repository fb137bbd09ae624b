"""Trouble around workloads, on a whole cluster: handed over as a case, one message each, and nothing changed."""

from typing import Any

from incidents.incident import Incident, Outcome, Status
from incidents.symptoms import Symptom
from tests.world import Told, World, incidents_of

Object = dict[str, Any]
SERVICE: Object = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "front", "namespace": "shop"},
    "spec": {"selector": {"app": "wbe"}, "ports": [{"port": 80}]},
}
CLAIM: Object = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "data", "namespace": "shop"},
    "spec": {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "no-such-class",
        "resources": {"requests": {"storage": "1Gi"}},
    },
}


async def test_a_service_and_a_claim_that_work_for_nobody_are_handed_over_as_cases_and_left_alone(world: World) -> None:
    told = Told()
    await world.namespace()
    await world.deploy("nginx:1.27")
    await world.available("web", "shop")
    async with world.daemon(told=told) as app:
        await world.admin.request("POST", "/api/v1/namespaces/shop/services", body=SERVICE)
        await world.admin.request("POST", "/api/v1/namespaces/shop/persistentvolumeclaims", body=CLAIM)

        async def both() -> list[Incident] | None:
            found = await incidents_of(app.store, "shop")
            handed = [one for one in found if one.status is Status.HANDED_OVER]
            return handed if len(handed) == 2 else None

        handed: list[Incident] = await world.eventually(both, "they were never handed over")
        symptoms = {one.subject.kind: one.first_signal.symptom for one in handed}
        assert symptoms == {
            "Service": Symptom.SELECTS_NOTHING,
            "PersistentVolumeClaim": Symptom.CLAIM_PENDING,
        }
        for one in handed:
            assert one.outcome is Outcome.ESCALATED
            assert len(told.about(one)) == 1
            (evidence, *_) = await app.store.evidence(one.id)
            assert evidence.snapshot.workload["metadata"]["name"] == one.subject.name
            assert evidence.health.findings
    assert world.writes() == []


async def test_a_quota_that_keeps_two_workloads_from_starting_is_one_message_and_not_three(world: World) -> None:
    told = Told()
    await world.namespace()
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    await world.admin.request("POST", "/api/v1/namespaces/shop/resourcequotas", body=quota)
    async with world.daemon(told=told) as app:
        for name in ("web", "api"):
            await world.deploy("nginx:1.27", name)

        async def explained() -> list[Incident] | None:
            found = await incidents_of(app.store, "shop")
            causes = [one for one in found if one.subject.kind == "ResourceQuota" and one.status is Status.HANDED_OVER]
            effects = [one for one in found if causes and one.caused_by == causes[0].id]
            return [*causes, *effects] if len(effects) == 2 else None

        cause, *effects = await world.eventually(explained, "the quota was never found to be the cause")
        assert [one.status for one in effects] == [Status.HANDED_OVER] * 2
        assert {notice.incident for notice in told.notices} == {cause.id}
        (notice,) = told.notices
        assert any("deployment/" in line for section in notice.sections for line in section.lines)
    assert world.writes() == []
