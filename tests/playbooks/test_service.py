"""Services that select nothing: the one workload that is meant, or a person."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from incidents.evidence import Evidence
from incidents.health import assess
from incidents.proposals import Needs, Opinion, SetField, Silent
from incidents.snapshot import Snapshot
from playbooks.confidence import LIKELY
from playbooks.service import consider
from tests.builders import NOW, condition, container, deployment, evidence, snapshot, stamp, template

Object = dict[str, Any]


def service(target: int | str = 8080, **selector: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "shop", "uid": "uid-service", "creationTimestamp": stamp(3600)},
        "spec": {"selector": selector, "ports": [{"port": 80, "targetPort": target}]},
    }


def workload(name: str = "web", port: int = 8080, **labels: str) -> Object:
    made = deployment(template(container(ports=[{"containerPort": port}])))
    made["metadata"] = {**made["metadata"], "name": name, "uid": f"uid-{name}"}
    made["spec"]["template"]["metadata"]["labels"] = labels or {"app": name}
    return made


def running(name: str = "catalog-1", of: Object | None = None, *, ready: bool = True, **labels: str) -> Object:
    """A pod beside: of a workload's template, or of nobody's."""
    own = of["spec"]["template"] if of is not None else template()
    return {
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "labels": labels or own["metadata"]["labels"]},
        "spec": own["spec"],
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": str(ready)}]},
    }


def seen(found: Object, *workloads: Object, listed: bool = True, pods: tuple[Object, ...] = ()) -> Evidence:
    objects = {"Deployment": list(workloads), "StatefulSet": [], "DaemonSet": [], "Pod": pods} if listed else None
    taken = Snapshot(workload=found, read_at=NOW)
    assert assess(taken, NOW + timedelta(hours=1)).findings
    return evidence(taken, objects=objects)


def test_the_workloads_have_to_be_listed_first() -> None:
    assert isinstance(consider(seen(service(app="wbeshop"), listed=False), ()), Needs)


def test_the_one_workload_that_a_slip_of_the_selector_misses_is_selected() -> None:
    answer = consider(seen(service(app="katalog"), workload("catalog"), workload("orders")), ())
    assert isinstance(answer, Opinion)
    assert answer.proposal.action == (SetField(path="/spec/selector/app", expected="katalog", value="catalog"),)
    assert answer.proposal.target.kind == "Service"


def test_the_rest_of_the_selector_has_to_match() -> None:
    found = service(app="katalog", tier="back")
    one = workload("catalog", app="catalog", tier="front")
    assert isinstance(consider(seen(found, one), ()), Silent)


def test_a_workload_without_the_port_is_not_meant() -> None:
    assert isinstance(consider(seen(service(app="katalog"), workload("catalog", port=9090)), ()), Silent)


def test_two_workloads_that_could_be_meant_are_for_a_person() -> None:
    one, other = workload("a", app="catalog"), workload("b", app="catalog")
    answer = consider(seen(service(app="katalog"), one, other), ())
    assert isinstance(answer, Silent)
    assert "deployment/a, deployment/b" in answer.because
    assert answer.diagnosis is not None
    assert "app=katalog" in answer.diagnosis.cause


IN_FRONT = "2026-11-21T12:00:00Z INFO gateway in front of http://catalog"
REFUSED = f"{IN_FRONT}\nERROR cannot reach catalog:80: dial tcp 10.96.0.9:80: connect: connection refused"


def behind(
    found: Object, *workloads: Object, log: str = IN_FRONT, env: str = "", listed: bool = True,
    pods: tuple[Object, ...] | None = None, **more: list[Object],
) -> Evidence:  # fmt: skip
    """A workload that does not get ready by its deadline, and says where it sends to."""
    there = pods if pods is not None else tuple(running(of=one) for one in workloads)
    variable: Object = {"env": [{"name": "UPSTREAM", "value": env}]} if env else {}
    stuck = condition("Progressing", "False", "ProgressDeadlineExceeded", "has timed out progressing")
    gateway = deployment(template(container(**variable)), conditions=[stuck])
    objects = {"Deployment": list(workloads), "StatefulSet": [], "DaemonSet": [], "Service": [found], "Pod": there}
    return evidence(snapshot(gateway), log=log, objects={**objects, **more} if listed else None)


def catalog(target: int | str = 8080, port: Object | None = None, **selector: str) -> Object:
    made = service(target, **(selector or {"app": "catalog"}))
    made["metadata"]["name"] = "catalog"
    made["spec"]["ports"][0].update(port or {})
    return made


def probed(port: int = 8080, **fields: Any) -> Object:
    made = workload("catalog", port=port)
    of = made["spec"]["template"]["spec"]["containers"][0]
    of["ports"][0].update(fields)
    of["readinessProbe"] = {"httpGet": {"path": "/", "port": port}}
    return made


def mended(taken: Evidence) -> SetField:
    answer = consider(taken, ())
    assert isinstance(answer, Opinion), answer
    assert (answer.proposal.target.kind, answer.proposal.target.uid) == ("Service", "uid-service")
    (edit,) = answer.proposal.action  # type: ignore[misc]  # this family sets one field
    assert isinstance(edit, SetField)
    return edit


def test_the_service_that_a_failing_workload_names_is_mended_in_its_place() -> None:
    assert isinstance(consider(behind(catalog(), listed=False), ()), Needs)
    edit = mended(behind(catalog(app="katalog"), probed()))
    assert edit == SetField(path="/spec/selector/app", expected="katalog", value="catalog")
    assert mended(behind(catalog(app="katalog"), probed(), log="", env="http://catalog.shop.svc:80/api")) == edit


HTTP = {"name": "http"}


def silent(taken: Evidence) -> Silent:
    answer = consider(taken, ())
    assert isinstance(answer, Silent), answer
    return answer


def confidence(taken: Evidence) -> float:
    answer = consider(taken, ())
    assert isinstance(answer, Opinion), answer
    return answer.proposal.confidence


def test_a_port_that_refuses_is_corrected_to_the_one_that_container_probe_and_service_agree_on() -> None:
    edit = mended(behind(catalog(8008, HTTP), probed(8080, name="http"), log=REFUSED))
    assert edit == SetField(path="/spec/ports[http]/targetPort", expected=8008, value=8080)
    assert confidence(behind(catalog(8008, HTTP), probed(8080, name="http"), log=REFUSED)) > LIKELY
    same_number = catalog(8008, {"port": 8080})
    assert confidence(behind(same_number, probed(8080), log=REFUSED.replace(":80:", ":8080:"))) > LIKELY


def test_a_port_that_only_container_and_probe_name_is_shown_to_a_person() -> None:
    """What stood before the program, such as a proxy that asks who is there, may be what has gone."""
    assert confidence(behind(catalog(4180), probed(8080), log=REFUSED)) < LIKELY


@pytest.mark.parametrize(
    ("target", "port"),
    [(4180, HTTP), (8443, HTTP), (8008, {"name": "https"}), (8008, {"name": "auth-proxy"}), (8008, {"port": 443})],
)
def test_what_may_have_asked_who_is_there_is_not_passed_by_without_a_person(target: int, port: Object) -> None:
    name = str(port.get("name", "http"))
    said = REFUSED.replace(":80:", f":{port.get('port', 80)}:").replace(
        "http://catalog", f"catalog:{port.get('port', 80)}"
    )
    found = behind(catalog(target, {"name": name, **port}), probed(8080, name=name), log=said)
    assert confidence(found) < LIKELY


def test_a_number_that_nobody_declares_may_be_listened_on_all_the_same() -> None:
    """A declared port is information: without a refusal by it nothing says that nobody listens."""
    silent(behind(catalog(8008, HTTP), probed(8080, name="http")))
    silent(behind(catalog(8008, HTTP), probed(8080, name="http"), log=REFUSED, pods=()))
    down = running(of=probed(8080), ready=False)
    silent(behind(catalog(8008, HTTP), probed(8080, name="http"), log=REFUSED, pods=(down,)))


def test_a_port_of_the_service_that_nobody_asked_for_stays_as_it_is() -> None:
    """Metrics on a port that no container declares: the usual thing, and not what the gateway waits for."""
    both = catalog(8080, {"name": "http"})
    both["spec"]["ports"].append({"name": "metrics", "port": 9090, "targetPort": 9090})
    answer = silent(behind(both, probed(8080, name="http"), log=REFUSED))
    assert answer.diagnosis is None


def test_a_port_for_administration_is_never_what_a_service_was_meant_to_lead_to() -> None:
    for name in ("metrics", "http-admin", "management"):
        silent(behind(catalog("grpc"), probed(9090, name=name), log=REFUSED))
        silent(behind(catalog(8008, {"name": name}), probed(9090, name=name), log=REFUSED))


def test_another_name_for_the_only_port_needs_a_second_witness() -> None:
    assert confidence(behind(catalog("grpc"), probed(8080, name="http"))) < LIKELY
    assert confidence(behind(catalog("web"), probed(8080, name="http"))) > LIKELY
    found = behind(catalog("backend", {"port": 8080}), probed(8080, name="http"), env="http://catalog:8080", log="")
    assert confidence(found) > LIKELY


def test_a_port_that_the_service_does_not_have_is_told_with_those_it_has() -> None:
    answer = silent(behind(catalog("http", {"port": 8090}), probed(8080, name="http")))
    assert answer.diagnosis is not None
    assert answer.diagnosis.cause == "it sends to port 80 of Service catalog, which has only 8090"


def test_a_port_of_a_sidecar_is_there() -> None:
    proxied = probed(8080, name="http")
    sidecar = {"name": "guard", "restartPolicy": "Always", "ports": [{"name": "guard", "containerPort": 4180}]}
    proxied["spec"]["template"]["spec"]["initContainers"] = [sidecar]
    for target in (4180, "guard"):
        assert silent(behind(catalog(target, HTTP), proxied, log=REFUSED)).diagnosis is None
    injected = running(of=proxied)
    assert (
        silent(behind(catalog(4180, HTTP), probed(8080, name="http"), log=REFUSED, pods=(injected,))).diagnosis is None
    )


def test_a_port_by_a_misspelt_name_is_the_one_that_the_container_has() -> None:
    assert mended(behind(catalog("htpt"), probed(8080, name="http"))).value == "http"


def test_pods_of_a_controller_that_nobody_knows_are_something_that_is_selected() -> None:
    """As of a Rollout or another custom resource: its pods are there, and no workload of a known kind has the label."""
    rollout = running(app="katalog")
    assert silent(behind(catalog(app="katalog"), probed(), pods=(rollout,))).diagnosis is None


def test_a_selector_that_says_the_services_own_name_is_no_slip() -> None:
    """The workload of that name has gone, and one with a name like it must not be sent its requests."""
    found = catalog(app="catalog")
    silent(behind(found, workload("catalogue"), pods=()))
    labelled = catalog(app="katalog")
    labelled["metadata"]["labels"] = {"app.kubernetes.io/name": "katalog"}
    silent(behind(labelled, probed(), pods=()))


def test_nothing_is_selected_that_would_bring_strangers_along() -> None:
    job = running("catalog-migrate", app="catalog", job="migrate")
    one = workload("catalog", app="catalog", tier="back")
    assert isinstance(consider(behind(catalog(app="katalog"), one, pods=(running(of=one), job)), ()), Silent)
    done = {**job, "status": {"phase": "Succeeded"}}
    assert mended(behind(catalog(app="katalog"), one, pods=(running(of=one), done))).value == "catalog"
    worker = workload("catalog-worker", 9000, app="catalog", tier="worker")
    assert isinstance(consider(behind(catalog(app="katalog"), one, worker), ()), Silent)


def test_what_can_not_all_be_read_is_no_reason_to_choose() -> None:
    taken = behind(catalog(app="katalog"), probed())
    for kind in ("StatefulSet", "Pod"):
        unread = msgspec.structs.replace(taken, objects={k: v for k, v in taken.objects.items() if k != kind})
        assert isinstance(consider(unread, ()), Silent)


def test_a_service_that_is_a_name_for_another_host_or_goes_away_is_left_alone() -> None:
    for fields in ({"spec": {"type": "ExternalName"}}, {"metadata": {"deletionTimestamp": stamp()}}):
        found = catalog(app="katalog")
        for part, more in fields.items():
            found[part].update(more)
        assert silent(behind(found, probed())).diagnosis is None


def test_one_number_alone_is_no_port_to_send_to() -> None:
    answer = consider(behind(catalog(8008), workload("catalog")), ())
    assert isinstance(answer, Silent)
    assert answer.diagnosis is not None
    assert answer.diagnosis.cause == "Service catalog sends to port 8008, which catalog does not have"


def test_a_service_that_leads_somewhere_or_that_nobody_names_explains_nothing() -> None:
    for taken in (
        behind(catalog(), probed()),
        behind(catalog(app="katalog"), probed(), log="INFO the catalog is empty, see http://shop.example/help"),
        behind(catalog(app="katalog"), probed(), log=""),
    ):
        answer = consider(taken, ())
        assert isinstance(answer, Silent)
        assert answer.diagnosis is None


def test_a_service_that_nobody_can_have_meant_is_told_of_the_workload_behind_it() -> None:
    answer = consider(behind(catalog(app="retired"), probed()), ())
    assert isinstance(answer, Silent)
    assert answer.diagnosis is not None
    assert "Service catalog selects nothing" in answer.diagnosis.cause
    assert answer.diagnosis.blames is not None
    assert (answer.diagnosis.blames.kind, answer.diagnosis.blames.name) == ("Service", "catalog")


def test_a_service_that_is_not_there_any_more_is_told_by_its_name() -> None:
    other = catalog()
    other["metadata"]["name"] = "orders"
    answer = consider(behind(other, probed()), ())
    assert isinstance(answer, Silent)
    assert answer.diagnosis is not None
    assert answer.diagnosis.cause == "it sends to catalog, and there is no Service catalog in its namespace"


LOST = "ERROR lookup web-1.web-peers.shop.svc.cluster.local on 10.96.0.10:53: no such host"


def of_a_set(log: str, *services: Object, listed: bool = True) -> Evidence:
    stuck = condition("Progressing", "False", "ProgressDeadlineExceeded", "has timed out progressing")
    made = deployment(conditions=[stuck], serviceName="web-peers") | {"kind": "StatefulSet"}
    return evidence(snapshot(made), log=log, objects={"Service": services} if listed else None)


def test_a_set_whose_governing_service_is_not_there_is_told_by_its_field() -> None:
    assert isinstance(consider(of_a_set(LOST, listed=False), ()), Needs)
    peers = service()
    peers["metadata"]["name"] = "web-pears"
    answer = silent(of_a_set(LOST, peers))
    assert answer.diagnosis is not None
    assert "Service web-peers (serviceName), which does not exist" in answer.diagnosis.cause
    peers["metadata"]["name"] = "web-peers"
    for taken in (of_a_set(LOST, peers), of_a_set(LOST.replace("web-peers", "others"), peers)):
        assert silent(taken).diagnosis is None
