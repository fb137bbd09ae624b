"""What is counted while the program runs shows up where it is scraped."""

from prometheus_client import generate_latest

from incidents.incident import Outcome
from tests.world import World


async def test_an_incident_that_was_repaired_is_seen_in_every_metric_on_its_way(world: World) -> None:
    await world.namespace()
    await world.deploy("nginx:1.27-alpine")
    await world.available("web", "shop")
    async with world.daemon(grace_seconds=0, settle_seconds=0.5) as app:
        template = {"spec": {"containers": [{"name": "main", "image": "nginx:1.27-alpnie"}]}}
        await world.change("web", "shop", {"template": template})
        await world.ended(app.store, "shop", Outcome.RESOLVED)
        assert app.telemetry.registry.get_sample_value("k8s_auto_fixer_watching") == 1
    # Only now: a run is counted when it has ended, a moment after its incident.
    lines = generate_latest(app.telemetry.registry).decode().splitlines()
    shown = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    counted = {
        name: sum(float(value) for key, value in shown.items() if key.split("{")[0] == f"k8s_auto_fixer_{name}")
        for name in ("signals_total", "incidents_opened_total", "reaction_seconds_count", "run_seconds_count")
    }
    assert min(counted.values()) >= 1, counted
    assert float(shown['k8s_auto_fixer_runs_total{outcome="resolved"}']) >= 1
    assert float(shown['k8s_auto_fixer_api_requests_total{code="200",method="PATCH"}']) >= 2
    assert float(shown["k8s_auto_fixer_sweep_objects"]) >= 2
    assert float(shown["k8s_auto_fixer_sweep_finished_timestamp_seconds"]) > 0
