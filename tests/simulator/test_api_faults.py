"""Faults on demand: what clients meet, when, and what the server has done all the same."""

import socket
import threading
import time
from typing import Any

import httpx
import orjson
import pytest

from simulator import EmbeddedCluster
from tests.simulator.conftest import CONFIG_MAPS, DEPLOYMENTS, NO_CERTIFICATES, PODS, Api, config_map, deployment

CUT = (httpx.RemoteProtocolError, httpx.ReadError)


class TestRefusals:
    def test_too_many_requests_comes_in_the_words_of_flow_control(self, api: Api) -> None:
        api.server.faults.refuse(429, verb="list", path="*/configmaps")
        refused = api.http.get(CONFIG_MAPS)
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
        assert refused.text == "Too many requests, please try again later.\n"
        assert api.http.get(CONFIG_MAPS).status_code == 200

    @pytest.mark.parametrize(("code", "reason"), [(500, "InternalError"), (503, "ServiceUnavailable")])
    def test_server_errors_are_statuses_and_nothing_is_done(self, api: Api, code: int, reason: str) -> None:
        api.server.faults.refuse(code, verb="create", retry_after_seconds=3)
        refused = api.http.post(CONFIG_MAPS, json=config_map("a"))
        assert (refused.status_code, refused.json()["reason"]) == (code, reason)
        assert refused.headers["Retry-After"] == "3"
        assert api.get(f"{CONFIG_MAPS}/a")["code"] == 404

    def test_the_log_shows_the_refusal(self, api: Api) -> None:
        api.server.faults.refuse(503)
        api.http.get(PODS)
        assert api.server.log.records()[-1].code == 503


class TestTurns:
    def codes(self, api: Api, count: int = 6) -> list[int]:
        return [api.http.get(PODS).status_code for _ in range(count)]

    def test_by_default_the_next_request_alone(self, api: Api) -> None:
        fault = api.server.faults.refuse(503)
        assert self.codes(api, 3) == [503, 200, 200]
        assert fault.hits == 1

    def test_some_are_skipped_and_then_every_second_one_fails(self, api: Api) -> None:
        api.server.faults.refuse(503, skip=1, every=2, times=2)
        assert self.codes(api) == [200, 503, 200, 503, 200, 200]

    def test_until_removed(self, api: Api) -> None:
        fault = api.server.faults.refuse(503, times=None)
        assert self.codes(api, 2) == [503, 503]
        fault.remove()
        fault.remove()
        assert self.codes(api, 1) == [200]

    def test_clear_ends_all(self, api: Api) -> None:
        api.server.faults.refuse(503, times=None)
        api.server.faults.clear()
        assert self.codes(api, 1) == [200]

    def test_only_the_named_user_verb_and_path(self, api: Api) -> None:
        api.server.faults.refuse(503, user="somebody", times=None)
        api.server.faults.refuse(503, verb="watch", times=None)
        api.server.faults.refuse(503, path="*/deployments*", times=None)
        assert self.codes(api, 1) == [200]
        assert api.http.get(f"{DEPLOYMENTS}/web").status_code == 503

    @pytest.mark.parametrize("wrong", [{"every": 0}, {"skip": -1}])
    def test_a_turn_that_never_comes_is_an_error(self, api: Api, wrong: dict[str, int]) -> None:
        with pytest.raises(ValueError, match="every must be"):
            api.server.faults.refuse(503, **wrong)

    def test_a_code_that_is_no_refusal_is_an_error(self, api: Api) -> None:
        with pytest.raises(ValueError, match="code must be"):
            api.server.faults.refuse(200)


class TestConnections:
    def test_cut_before_nothing_is_done(self, api: Api) -> None:
        api.server.faults.cut("before", verb="create")
        with pytest.raises(CUT):
            api.http.post(CONFIG_MAPS, json=config_map("a"))
        assert api.get(f"{CONFIG_MAPS}/a")["code"] == 404
        assert api.server.log.records()[-2].code >= 400

    def test_cut_after_it_is_done_all_the_same(self, api: Api) -> None:
        api.server.faults.cut("after", verb="create")
        with pytest.raises(CUT):
            api.http.post(CONFIG_MAPS, json=config_map("a"))
        assert api.get(f"{CONFIG_MAPS}/a")["kind"] == "ConfigMap"

    def test_half_an_answer_is_less_than_was_promised(self, api: Api) -> None:
        api.server.faults.cut("half", verb="get")
        api.create(CONFIG_MAPS, config_map("a"))
        with api.http.stream("GET", f"{CONFIG_MAPS}/a") as answer:
            assert answer.status_code == 200
            with pytest.raises(CUT, match="without sending complete message body"):
                answer.read()

    def test_a_delay_comes_first(self, api: Api) -> None:
        api.server.faults.delay(0.2)
        begin = time.monotonic()
        assert api.http.get(PODS).status_code == 200
        assert time.monotonic() - begin >= 0.2

    @pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
    def test_what_is_delayed_past_its_time_is_answered_with_504_and_not_done(self, api: Api, method: str) -> None:
        api.create(CONFIG_MAPS, config_map("a"))
        before = api.get(f"{CONFIG_MAPS}/a")
        path = CONFIG_MAPS if method == "POST" else f"{CONFIG_MAPS}/a"
        headers = {"Content-Type": "application/merge-patch+json" if method == "PATCH" else "application/json"}
        body = {"POST": orjson.dumps(config_map("b")), "PATCH": b'{"data":{"x":"y"}}'}.get(method)
        fault = api.server.faults.delay(3600)
        answer = api.http.request(method, path, params={"timeout": "20ms"}, content=body, headers=headers)
        assert (answer.status_code, answer.json()["reason"], fault.hits) == (504, "Timeout", 1)
        assert api.server.log.records()[-1].code == 504
        assert api.get(f"{CONFIG_MAPS}/a") == before
        assert api.get(f"{CONFIG_MAPS}/b")["code"] == 404

    def test_a_delayed_write_whose_client_has_gone_is_not_done(self, api: Api) -> None:
        body = orjson.dumps(config_map("gone"))
        head = f"POST {CONFIG_MAPS} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {api.token}\r\n"
        fault = api.server.faults.delay(0.7, verb="create")
        with socket.create_connection(("127.0.0.1", api.http.base_url.port or 0)) as leaving:
            leaving.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            while not fault.hits:
                time.sleep(0.005)
        api.server.faults.delay(0.7, verb="get")  # begins later, so it ends later
        assert api.get(f"{CONFIG_MAPS}/gone")["code"] == 404

    def test_an_unknown_moment_is_an_error(self, api: Api) -> None:
        with pytest.raises(ValueError, match="before, after or half"):
            api.server.faults.cut("never")  # type: ignore[arg-type]


class TestWatches:
    def test_all_open_watches_are_dropped_at_once(self, api: Api) -> None:
        ended: list[str] = []

        def watch() -> None:
            try:
                with api.http.stream("GET", CONFIG_MAPS, params={"watch": "1", "timeoutSeconds": "30"}) as answer:
                    for _ in answer.iter_lines():
                        pass
                ended.append("in order")
            except CUT:
                ended.append("cut")

        threads = [threading.Thread(target=watch) for _ in range(2)]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 5
        while api.server.open_streams < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert api.server.faults.drop_watches() == 2
        for thread in threads:
            thread.join(5)
        assert ended == ["cut", "cut"]
        assert api.server.faults.drop_watches() == 0

    def test_half_a_watch_is_its_first_events(self, api: Api) -> None:
        api.create(CONFIG_MAPS, config_map("a"))
        api.server.faults.cut("half", verb="watch")
        with api.http.stream("GET", CONFIG_MAPS, params={"watch": "1"}) as answer:
            lines = answer.iter_lines()
            assert orjson.loads(next(lines))["object"]["metadata"]["name"] == "a"
            with pytest.raises(CUT):
                next(lines)

    def test_after_a_compaction_old_versions_are_gone(self, api: Api) -> None:
        version = api.create(CONFIG_MAPS, config_map("a"))["metadata"]["resourceVersion"]
        api.create(CONFIG_MAPS, config_map("b"))
        api.server.faults.compact()
        [event] = api.events(CONFIG_MAPS, resourceVersion=version)
        assert (event["type"], event["object"]["code"]) == ("ERROR", 410)


class TestMutation:
    def test_an_object_is_changed_on_its_way_in(self, api: Api) -> None:
        def tag(obj: Any) -> None:
            obj["metadata"].setdefault("labels", {})["tagged"] = "yes"

        fault = api.server.faults.mutate(tag, path="*/configmaps*")
        assert api.create(CONFIG_MAPS, config_map("a"))["metadata"]["labels"]["tagged"] == "yes"
        patched = api.patch(f"{CONFIG_MAPS}/a", {"metadata": {"labels": None}})
        assert patched["metadata"]["labels"] == {"tagged": "yes"}
        assert fault.hits == 2

    def test_dry_runs_and_applications_are_changed_too(self, api: Api) -> None:
        api.server.faults.mutate(lambda obj: obj | {"data": {"b": "2"}}, verb="patch")
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": "1"}}
        query = {"fieldManager": "m", "dryRun": "All"}
        shown = api.patch(f"{CONFIG_MAPS}/a", body, "application/apply-patch+yaml", **query)
        assert shown["data"] == {"b": "2"}
        assert api.get(f"{CONFIG_MAPS}/a")["code"] == 404


def test_a_whole_cluster_gets_over_its_faults() -> None:
    with EmbeddedCluster(nodes=1, speed=50) as cluster:
        cluster.faults.refuse(503, user="system:*", every=7, times=10)
        cluster.faults.cut("after", user="system:*", verb="update", every=5, times=5)
        headers = {"Authorization": f"Bearer {cluster.admin_token}"}
        with httpx.Client(base_url=cluster.server, headers=headers, verify=NO_CERTIFICATES) as http:
            body = deployment(replicas=2)
            assert http.post(DEPLOYMENTS, content=orjson.dumps(body)).status_code == 201
            cluster.faults.drop_watches()
            deadline, ready = time.monotonic() + 20, 0
            while ready < 2 and time.monotonic() < deadline:
                ready = http.get(f"{DEPLOYMENTS}/web").json()["status"].get("readyReplicas", 0)
                time.sleep(0.05)
        assert ready == 2
