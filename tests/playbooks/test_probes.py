"""Probes that ask the wrong thing: corrected to what was asked before, or to what two places name."""

from typing import Any

import msgspec
import pytest

from incidents.evidence import Evidence
from incidents.masking import MASK
from incidents.proposals import Needs, Opinion, SetField, Silent
from playbooks.confidence import CERTAIN, LIKELY, SUGGESTED
from playbooks.probes import consider
from tests.builders import (
    condition,
    container,
    deployment,
    ended,
    evidence,
    pod,
    replica_set,
    snapshot,
    stamp,
    template,
    waiting,
)

Object = dict[str, Any]
WEB = "/spec/template/spec/containers[web]"
REFUSED = 'Readiness probe failed: Get "http://10.0.0.7:8081/": dial tcp 10.0.0.7:8081: connect: connection refused'
STUCK = condition("Progressing", "False", "ProgressDeadlineExceeded", "timed out", seconds_ago=5)


def get(port: int | str, **fields: Any) -> Object:
    return {"httpGet": {"path": "/", "port": port, **fields}, "periodSeconds": 5}


def failing(
    said: str = REFUSED,
    *,
    before: Object | None = None,
    services: list[Object] | None = None,
    log: str = "",
    killed: str = "",
    well: bool = False,
    **fields: Any,
) -> Evidence:
    """A rollout that is stuck because a probe of its container fails.

    ``before``: the container of a good revision; ``killed``: by which probe; ``well``: whether the present one was.
    """
    present = template(container(**fields))
    new = replica_set(present, number=2)
    sets, pods = [new], [pod(of=new)]
    if before is not None:
        old = replica_set(template(before), number=1)
        sets.insert(0, old)
        pods.append(pod(name="web-old", of=old, ready=True))
    objects = {"Service": services} if services is not None else None
    taken = snapshot(deployment(present, conditions=[STUCK]), sets, pods)
    found = evidence(taken, unhealthy=[said], objects=objects, log=log, seen_well=[2] if well else [])
    words = f"Container web failed {killed} probe, will be restarted"
    ends = [msgspec.structs.replace(found.events[0], reason="Killing", message=words)] if killed else []
    return msgspec.structs.replace(found, events=(*found.events, *ends))


def certain(taken: Evidence) -> SetField:
    answer = consider(taken, ())
    assert isinstance(answer, Opinion), answer
    (edit,) = answer.proposal.action  # type: ignore[misc]  # no playbook of this family rolls back
    assert isinstance(edit, SetField)
    return edit


def test_what_the_good_revision_asked_comes_first() -> None:
    taken = failing(readinessProbe=get(8081), before=container(readinessProbe=get(8080)))
    assert certain(taken) == SetField(path=f"{WEB}/readinessProbe", expected=get(8081), value=get(8080))


def test_not_where_the_program_has_changed_too() -> None:
    taken = failing(readinessProbe=get(8081), before=container(image="nginx:1.20", readinessProbe=get(8080)))
    assert isinstance(consider(taken, ()), Needs)


def test_a_port_that_two_places_name_is_asked() -> None:
    service = {
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    taken = failing(readinessProbe=get(8081), ports=[{"containerPort": 8080}], services=[service])
    assert certain(taken) == SetField(path=f"{WEB}/readinessProbe/httpGet/port", expected=8081, value=8080)


def test_its_own_log_is_a_place_too() -> None:
    taken = failing(readinessProbe=get(8081), ports=[{"containerPort": 8080}], services=[], log="listening on :8080")
    assert certain(taken).value == 8080


@pytest.mark.parametrize(
    "fields",
    [
        {"ports": [{"containerPort": 8080}]},  # one number alone
        {"log": "listening on :8080"},
        {"ports": [{"containerPort": 8080}, {"containerPort": 9090}], "log": "listening on :8080\nserving on :9090"},
    ],
)
def test_one_number_alone_or_two_ports_are_no_evidence(fields: Object) -> None:
    answer = consider(with_image(failing(readinessProbe=get(8081), services=[], **fields)), ())
    assert isinstance(answer, Silent)
    assert answer.diagnosis is not None


def test_a_port_by_a_name_that_is_nearly_one_of_the_containers() -> None:
    ports = [{"name": "http", "containerPort": 8080}, {"name": "metrics", "containerPort": 9090}]
    said = 'Readiness probe errored and resulted in unknown state: strconv.Atoi: parsing "htttp": invalid syntax'
    assert certain(failing(said, readinessProbe=get("htttp"), ports=ports, services=[])).value == "http"


def test_a_server_that_says_which_scheme_it_speaks_is_believed() -> None:
    said = 'Readiness probe failed: Get "https://10.0.0.7:8080/": http: server gave HTTP response to HTTPS client'
    edit = certain(failing(said, readinessProbe=get(8080, scheme="HTTPS"), services=[]))
    assert (edit.path, edit.value) == (f"{WEB}/readinessProbe/httpGet/scheme", "HTTP")


def test_a_slow_starter_gets_time_to_start_and_keeps_its_liveness_probe() -> None:
    said = REFUSED.replace("Readiness", "Liveness").replace("8081", "8080")
    taken = failing(
        said,
        livenessProbe=get(8080),
        ports=[{"containerPort": 8080}],
        services=[],
        log="starting, will be listening on :8080",
        killed="liveness",
    )
    edit = certain(taken)
    assert (edit.path, edit.expected) == (f"{WEB}/startupProbe", None)
    assert edit.value["httpGet"] == get(8080)["httpGet"]
    assert edit.value["failureThreshold"] * edit.value["periodSeconds"] == 300


def test_where_nothing_is_said_to_listen_a_person_is_told() -> None:
    said = REFUSED.replace("Readiness", "Liveness")
    assert isinstance(consider(with_image(failing(said, livenessProbe=get(8081), services=[])), ()), Silent)


def test_without_a_failing_probe_it_has_nothing_to_say() -> None:
    assert "no probe fails" in str(consider(failing("something else", readinessProbe=get(8080)), ()))


def test_a_path_that_is_not_there_becomes_the_one_that_a_sibling_asks() -> None:
    live = {"httpGet": {"path": "/healthz", "port": 8080}}
    said = "Readiness probe failed: HTTP probe failed with statuscode: 404"
    edit = certain(failing(said, readinessProbe=get(8080), livenessProbe=live, services=[]))
    assert (edit.path, edit.value) == (f"{WEB}/readinessProbe/httpGet/path", "/healthz")


NOT_THERE = "probe failed: HTTP probe failed with statuscode: 404"


def beside(asked: str, sibling: str, *, failing_one: str = "Liveness", before: str = "") -> Opinion:
    """What is made of a probe whose path is not there, beside another that asks a path which is.

    ``before``: what the same probe asked in the good revision, of another version of the program.
    """
    at, of = ("livenessProbe", "readinessProbe") if failing_one == "Liveness" else ("readinessProbe", "livenessProbe")
    asked_before: Object = {at: get(8080, path=before)}
    good = container(image="nginx:1.26", **asked_before) if before else None
    probes: Object = {at: get(8080, path=asked), of: get(8080, path=sibling)}
    killed = "liveness" if failing_one == "Liveness" else ""
    answer = consider(failing(f"{failing_one} {NOT_THERE}", services=[], killed=killed, before=good, **probes), ())
    assert isinstance(answer, Opinion), answer
    (edit,) = answer.proposal.edits
    assert (edit.path, edit.value) == (f"{WEB}/{at}/httpGet/path", sibling)
    return answer


@pytest.mark.parametrize(
    ("asked", "sibling"),
    [
        ("/helthz", "/ready/db"),
        ("/livez", "/readyz"),
        ("/healthz", "/db/health"),
        ("/healthz", "/health/ready"),
        ("/", "/healthz"),
    ],
)
def test_a_liveness_probe_gets_a_path_that_finds_out_something_else_only_from_a_person(
    asked: str, sibling: str
) -> None:
    answer = beside(asked, sibling)
    assert answer.proposal.confidence == SUGGESTED < LIKELY
    assert "for a person to say" in answer.proposal.reason


@pytest.mark.parametrize(("asked", "sibling"), [("/helthz", "/livez"), ("/ready", "/healthz"), ("/ready", "/")])
def test_a_readiness_probe_gets_the_path_of_a_liveness_probe_only_from_a_person(asked: str, sibling: str) -> None:
    assert beside(asked, sibling, failing_one="Readiness").proposal.confidence == SUGGESTED


@pytest.mark.parametrize(
    ("asked", "sibling"),
    [("/heatlhz", "/healthz"), ("/health", "/healthz"), ("/api/health", "/healthz"), ("/health", "/actuator/health")],
)
@pytest.mark.parametrize("failing_one", ["Liveness", "Readiness"])
def test_a_slip_of_the_siblings_path_and_another_word_for_health_are_certain(
    failing_one: str, asked: str, sibling: str
) -> None:
    assert beside(asked, sibling, failing_one=failing_one).proposal.confidence == CERTAIN


def test_the_siblings_path_is_certain_where_the_good_revision_asked_it_in_the_same_probe() -> None:
    assert beside("/livez", "/alive/and/well", before="/alive/and/well").proposal.confidence == CERTAIN
    assert beside("/livez", "/alive/and/well", before="/live").proposal.confidence == SUGGESTED


def with_token(value: str, **fields: Any) -> Object:
    return get(fields.pop("port", 8080), httpHeaders=[{"name": "Authorization", "value": value}], **fields)


def test_a_probe_of_which_something_is_masked_is_put_back_in_the_one_field_that_differs() -> None:
    taken = failing(readinessProbe=with_token(MASK, port=8081), before=container(readinessProbe=with_token(MASK)))
    assert certain(taken) == SetField(path=f"{WEB}/readinessProbe/httpGet/port", expected=8081, value=8080)


@pytest.mark.parametrize("now", [get(8081), get(8080), with_token("Bearer x"), with_token(MASK, port=8081, path="/x")])
def test_what_is_masked_is_never_put_back(now: Object) -> None:
    answer = consider(
        with_image(failing(readinessProbe=now, services=[], before=container(readinessProbe=with_token(MASK)))), ()
    )
    assert isinstance(answer, Silent), answer


def test_a_probe_that_asks_with_what_is_masked_is_not_made_a_startup_probe_too() -> None:
    said = REFUSED.replace("Readiness", "Liveness").replace("8081", "8080")
    fields: Object = {"ports": [{"containerPort": 8080}], "services": [], "log": "listening on :8080"}
    assert certain(failing(said, livenessProbe=with_token("x"), killed="liveness", **fields)).value is not None
    unsure(failing(said, livenessProbe=with_token(MASK), killed="liveness", **fields))


@pytest.mark.parametrize(("asked", "sibling"), [("/heatlhz", f"/healthz?{MASK}"), (f"/heatlhz?{MASK}", "/healthz")])
def test_no_path_that_is_masked_is_asked_or_replaced(asked: str, sibling: str) -> None:
    probes: Object = {"readinessProbe": get(8080, path=asked), "livenessProbe": get(8080, path=sibling)}
    unsure(failing(f"Readiness {NOT_THERE}", services=[], **probes))


@pytest.mark.parametrize(("ago", "answers"), [(120, True), (20, False)])
def test_a_liveness_probe_that_failed_and_did_not_kill_has_passed_since(ago: float, answers: bool) -> None:
    live = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10}
    said = "Readiness probe failed: HTTP probe failed with statuscode: 404"
    taken = failing(said, readinessProbe=get(8080), livenessProbe=live, services=[])
    words = "Liveness probe failed: dial tcp 10.0.0.7:8080: connect: connection refused"
    at_its_start = msgspec.structs.replace(taken.events[0], message=words, last_seen=stamp(ago))
    taken = msgspec.structs.replace(taken, events=(at_its_start, *taken.events))
    assert isinstance(consider(taken, ()), Opinion) == answers


@pytest.mark.parametrize("live", [{}, {"livenessProbe": {"httpGet": {"path": "/healthz", "port": 9090}}}])
def test_without_a_sibling_on_that_port_no_path_is_guessed(live: Object) -> None:
    said = "Readiness probe failed: HTTP probe failed with statuscode: 404"
    assert isinstance(consider(failing(said, readinessProbe=get(8080), services=[], **live), ()), Silent)


SLOW = 'Readiness probe failed: Get "http://10.0.0.7:8080/": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'  # noqa: E501 - one line of the kubelet


def test_an_answer_that_is_late_is_waited_for_longer() -> None:
    edit = certain(failing(SLOW, readinessProbe=get(8080), services=[]))
    assert edit == SetField(path=f"{WEB}/readinessProbe/timeoutSeconds", expected=None, value=5)


def test_not_without_end() -> None:
    probe = {**get(8080), "timeoutSeconds": 30}
    assert isinstance(consider(failing(SLOW, readinessProbe=probe, services=[]), ()), Silent)


def test_what_cannot_even_be_reached_is_not_late() -> None:
    said = 'Readiness probe failed: Get "http://10.0.0.7:8080/": dial tcp: context deadline exceeded'
    assert isinstance(consider(failing(said, readinessProbe=get(8080), services=[]), ()), Silent)


def test_a_startup_probe_that_gives_up_too_soon_gets_as_long_as_a_slow_starter() -> None:
    said = REFUSED.replace("Readiness", "Startup").replace("8081", "8080")
    probe = {**get(8080), "failureThreshold": 4}
    edit = certain(failing(said, startupProbe=probe, ports=[{"containerPort": 8080}], services=[], killed="startup"))
    assert edit == SetField(path=f"{WEB}/startupProbe/failureThreshold", expected=4, value=60)


def test_one_of_a_port_that_nothing_else_names_does_not() -> None:
    said = REFUSED.replace("Readiness", "Startup")
    assert isinstance(consider(with_image(failing(said, startupProbe=get(8081), services=[])), ()), Silent)


def test_a_grpc_probe_of_a_wrong_port_is_corrected_too() -> None:
    said = 'Readiness probe failed: timeout: failed to connect service "10.0.0.7:9091" within 1s'
    probe = {"grpc": {"port": 9091}}
    taken = failing(
        said, readinessProbe=probe, ports=[{"containerPort": 9090}], services=[], log="serving gRPC on :9090"
    )
    assert certain(taken) == SetField(path=f"{WEB}/readinessProbe/grpc/port", expected=9091, value=9090)


def with_image(taken: Evidence, *facts: str) -> Evidence:
    """The same, with what the registry says of the image."""
    return msgspec.structs.replace(taken, answers={**taken.answers, "image-config:nginx:1.27": facts})


def test_what_the_image_exposes_is_asked_for_where_nothing_else_is_certain() -> None:
    answer = consider(failing(readinessProbe=get(8081), services=[], log="listening on :8080"), ())
    assert isinstance(answer, Needs)
    assert [want.key for want in answer.wants] == ["image-config:nginx:1.27"]


def test_and_is_a_place_that_names_a_port() -> None:
    taken = failing(readinessProbe=get(8081), services=[], log="listening on :8080")
    edit = certain(with_image(taken, "entrypoint=/app", "port=8080/tcp", "port=9999/udp"))
    assert (edit.path, edit.value) == (f"{WEB}/readinessProbe/httpGet/port", 8080)


def test_a_probe_of_a_container_that_crashes_by_itself_is_not_the_trouble() -> None:
    present = template(container(readinessProbe=get(8080)))
    new = replica_set(present, number=2)
    broken = pod(waiting("CrashLoopBackOff", restarts=3, last=ended()), of=new)
    taken = evidence(snapshot(deployment(present), [new], [broken]), unhealthy=[REFUSED])
    assert consider(taken, ()) == Silent("no probe fails")


SERVICE = {
    "metadata": {"name": "web"},
    "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 9090}]},
}


def unsure(taken: Evidence) -> Silent:
    answer = consider(with_image(taken), ())
    assert isinstance(answer, Silent), answer
    assert answer.diagnosis is not None
    return answer


@pytest.mark.parametrize(
    "log",
    [
        "listening on :22\nserving on port 22",  # said twice by one who may be anybody
        "started, connected to ledger:9090",
        "listening on 127.0.0.1:9090",
        "metrics: listening on :9090",
        "started at 12:90:90",
    ],
)
def test_a_log_is_one_witness_and_names_ports_of_others(log: str) -> None:
    ports = [{"containerPort": 9090}] if "9090" in log else []
    unsure(failing(readinessProbe=get(8081), ports=ports, services=[], log=log))


@pytest.mark.parametrize(
    "fields",
    [
        # The container's own port, at which its program does not listen yet; another of its ports answers.
        {"ports": [{"containerPort": 8081}, {"containerPort": 9090}], "log": "listening on :9090"},
        {"ports": [{"containerPort": 9090}], "log": "listening on :8081\nlistening on :9090", "services": [SERVICE]},
        {"ports": [{"containerPort": 9090, "name": "metrics"}], "log": "listening on :9090", "services": [SERVICE]},
    ],
    ids=str,
)
def test_a_port_that_is_the_containers_own_is_not_traded_for_one_that_answers(fields: Object) -> None:
    answer = unsure(failing(readinessProbe=get(8081), **{"services": [], **fields}))
    assert "nothing listens on port 8081" in str(answer.diagnosis)


def test_the_probe_of_a_template_that_was_well_before_is_right() -> None:
    fields: Object = {"ports": [{"containerPort": 8080}], "services": [], "log": "listening on :8080"}
    unsure(failing(readinessProbe=get(8081), well=True, **fields))
    assert certain(failing(readinessProbe=get(8081), **fields)).value == 8080


@pytest.mark.parametrize(
    "said", ["HTTP probe failed with statuscode: 503", 'service unhealthy (responded with "NOT_SERVING")']
)
def test_a_program_that_says_it_is_unwell_is_not_asked_something_easier(said: str) -> None:
    before = container(readinessProbe=get(8080, path="/"))
    now = get(8080, path="/ready")
    answer = unsure(failing(f"Readiness probe failed: {said}", readinessProbe=now, before=before, services=[]))
    assert answer.because == "the probe finds out what it is there for"


def test_a_command_is_not_put_back_in_place_of_a_question_to_the_program() -> None:
    before = container(readinessProbe={"exec": {"command": ["true"]}})
    unsure(failing(readinessProbe=get(8081), before=before, services=[]))


def test_settings_that_came_with_the_probe_may_be_why_it_was_changed() -> None:
    before = container(readinessProbe=get(8080))
    unsure(failing(readinessProbe=get(8081), before=before, env=[{"name": "PORT", "value": "8082"}], services=[]))


def test_the_path_of_a_probe_that_was_never_asked_is_no_evidence() -> None:
    said = "Startup probe failed: HTTP probe failed with statuscode: 404"
    live = {"httpGet": {"path": "/healthz", "port": 8080}}
    start = {"httpGet": {"path": "/started", "port": 8080}}
    unsure(failing(said, startupProbe=start, livenessProbe=live, services=[]))


def test_the_only_named_port_is_not_meant_by_another_name_unless_a_second_place_names_it() -> None:
    said = 'Readiness probe errored and resulted in unknown state: strconv.Atoi: parsing "web": invalid syntax'
    ports = [{"name": "grpc-api", "containerPort": 9090}]
    unsure(failing(said, readinessProbe=get("web"), ports=ports, services=[]))
    assert certain(failing(said, readinessProbe=get("web"), ports=ports, services=[SERVICE])).value == "grpc-api"


def test_what_failed_for_a_moment_at_the_start_and_killed_nobody_gets_no_startup_probe() -> None:
    said = REFUSED.replace("Readiness", "Liveness").replace("8081", "8080")
    fields: Object = {
        "livenessProbe": get(8080),
        "ports": [{"containerPort": 8080}],
        "services": [],
        "log": "listening on :8080",
    }
    unsure(failing(said, **fields))


@pytest.mark.parametrize(
    ("port", "ports", "sure"), [(8443, [], True), (8000, [{"name": "https"}], True), (8000, [], False)]
)
def test_a_server_that_refuses_plain_requests_is_asked_over_tls_where_its_port_is_one_for_that(
    port: int, ports: list[Object], sure: bool
) -> None:
    said = "Readiness probe failed: HTTP probe failed with statuscode: 400"
    named = [{**item, "containerPort": port} for item in ports]
    taken = failing(said, readinessProbe=get(port), ports=named, services=[])
    if sure:
        assert certain(taken).value == "HTTPS"
    else:
        unsure(taken)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("rpc error: code = Unimplemented desc = unknown service grpc.health.v1.Health", "health service of gRPC"),
        ('service unhealthy (responded with "NOT_SERVING")', "says NOT_SERVING"),
        ("HTTP probe failed with statuscode: 503", "not well"),
    ],
)
def test_what_the_probe_found_out_is_told(said: str, words: str) -> None:
    answer = unsure(failing(f"Readiness probe failed: {said}", readinessProbe={"grpc": {"port": 9090}}, services=[]))
    assert words in str(answer.diagnosis)


def test_a_program_that_listens_for_itself_alone_is_told_with_its_line() -> None:
    answer = unsure(failing(readinessProbe=get(8081), services=[], log="listening on 127.0.0.1:8081"))
    assert "listens for itself alone" in str(answer.diagnosis)
