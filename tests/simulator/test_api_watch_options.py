"""Options of watches and lists: initial events, matches, dry runs, and how deletions are asked for."""

from typing import Any

import pytest

from tests.simulator.conftest import CONFIG_MAPS, TABLE, Api, config_map

STREAMED = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json"
END = {"k8s.io/initial-events-end": "true"}


def watched(api: Api, accept: str, count: int, **query: str) -> list[Any]:
    api.http.headers["Accept"] = accept
    return api.events(CONFIG_MAPS, count, **query)


class TestInitialEvents:
    def test_the_state_comes_as_events_and_a_bookmark_ends_it(self, api: Api) -> None:
        api.create(CONFIG_MAPS, config_map("a"))
        added, mark = api.events(CONFIG_MAPS, 2, **STREAMED)
        assert (added["type"], added["object"]["metadata"]["name"]) == ("ADDED", "a")
        assert (mark["type"], mark["object"]["metadata"]["annotations"]) == ("BOOKMARK", END)
        assert mark["object"]["metadata"]["resourceVersion"] == str(api.server.store.version)

    def test_without_bookmarks_there_is_no_end_mark(self, api: Api) -> None:
        api.create(CONFIG_MAPS, config_map("a"))
        events = api.events(CONFIG_MAPS, **STREAMED | {"allowWatchBookmarks": "false"})
        assert [one["type"] for one in events] == ["ADDED"]

    def test_metadata_alone_and_tables_are_streamed_too(self, api: Api) -> None:
        api.create(CONFIG_MAPS, config_map("a"))
        added, mark = watched(api, PARTIAL, 2, **STREAMED)
        assert {added["object"]["kind"], mark["object"]["kind"]} == {"PartialObjectMetadata"}
        assert mark["object"]["metadata"]["annotations"] == END
        added, mark = watched(api, TABLE, 2, **STREAMED)
        assert (added["object"]["kind"], mark["object"]["kind"]) == ("Table", "Table")
        assert mark["object"]["rows"][0]["object"]["metadata"]["annotations"] == END

    @pytest.mark.parametrize(
        ("query", "words"),
        [
            ({"sendInitialEvents": "true"}, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"),
            (
                {"resourceVersionMatch": "NotOlderThan"},
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
            ),
            ({"continue": "x"}, "resourceVersionMatch is forbidden when continue is provided"),
        ],
    )  # fmt: skip
    def test_odd_combinations_are_refused(self, api: Api, query: dict[str, str], words: str) -> None:
        refused = api.get(CONFIG_MAPS, watch="1", **query)
        assert (refused["code"], refused["message"].partition("Forbidden: ")[2]) == (422, words)


class TestLists:
    @pytest.mark.parametrize(
        ("query", "code", "words"),
        [
            (
                {"resourceVersionMatch": "Exact"}, 422,
                "resourceVersionMatch is forbidden unless resourceVersion is provided",
            ),
            (
                {"resourceVersionMatch": "Exact", "resourceVersion": "0"}, 422,
                'resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
            ),
            (
                {"resourceVersionMatch": "x", "resourceVersion": "1"}, 422,
                'Unsupported value: "x": supported values: "Exact", "NotOlderThan", ""',
            ),
            ({"sendInitialEvents": "true"}, 422, "sendInitialEvents is forbidden for list"),
            ({"resourceVersion": "x"}, 400, 'strconv.ParseUint: parsing "x": invalid syntax'),
            ({"limit": "x"}, 400, 'strconv.ParseInt: parsing "x": invalid syntax'),
        ],
    )  # fmt: skip
    def test_odd_combinations_are_refused(self, api: Api, query: dict[str, str], code: int, words: str) -> None:
        refused = api.get(CONFIG_MAPS, **query)
        assert refused["code"] == code
        assert words in refused["message"]

    def test_pages_show_the_state_of_the_first_one(self, api: Api) -> None:
        for name in "abcd":
            api.create(CONFIG_MAPS, config_map(name))
        first = api.get(CONFIG_MAPS, limit="2")["metadata"]
        api.delete(f"{CONFIG_MAPS}/d")
        api.create(CONFIG_MAPS, config_map("e"))
        rest = api.get(CONFIG_MAPS, **{"continue": first["continue"]})
        assert [one["metadata"]["name"] for one in rest["items"]] == ["c", "d"]
        assert rest["metadata"]["resourceVersion"] == first["resourceVersion"]

    def test_a_version_beside_a_token_is_refused(self, api: Api) -> None:
        for name in "abc":
            api.create(CONFIG_MAPS, config_map(name))
        token = api.get(CONFIG_MAPS, limit="1")["metadata"]["continue"]
        refused = api.get(CONFIG_MAPS, resourceVersion="5", **{"continue": token})
        assert refused["message"] == "specifying resource version is not allowed when using continue"


class TestDeletions:
    def test_a_collection_is_deleted_by_selector_and_page(self, api: Api) -> None:
        for name in "abc":
            api.create(CONFIG_MAPS, config_map(name, labels={"app": "x" if name == "c" else "y"}))
        assert len(api.delete(CONFIG_MAPS, labelSelector="app=y", dryRun="All")["items"]) == 2
        assert len(api.delete(CONFIG_MAPS, labelSelector="app=y", limit="1")["items"]) == 1
        assert [one["metadata"]["name"] for one in api.get(CONFIG_MAPS)["items"]] == ["b", "c"]

    @pytest.mark.parametrize(
        ("policy", "finalizer"), [("Foreground", "foregroundDeletion"), ("Orphan", "orphan"), ("Background", None)]
    )
    def test_a_policy_is_a_finalizer_for_the_garbage_collector(
        self, api: Api, policy: str, finalizer: str | None
    ) -> None:
        api.create(CONFIG_MAPS, config_map("a"))
        answer = api.delete(f"{CONFIG_MAPS}/a", propagationPolicy=policy)
        if finalizer is None:
            assert answer["status"] == "Success"
        else:
            assert answer["metadata"]["finalizers"] == [finalizer]
            assert "deletionTimestamp" in answer["metadata"]

    @pytest.mark.parametrize(
        ("query", "code", "words"),
        [
            ({"propagationPolicy": "x"}, 422, 'supported values: "Foreground", "Background", "Orphan", "nil"'),
            ({"propagationPolicy": "Orphan", "orphanDependents": "true"}, 422, "cannot be both set"),
            ({"dryRun": "x"}, 422, 'dryRun: Unsupported value: ["x"]: supported values: "All"'),
            ({"gracePeriodSeconds": "x"}, 400, 'strconv.ParseInt: parsing "x": invalid syntax'),
        ],
    )
    def test_odd_options_are_refused(self, api: Api, query: dict[str, str], code: int, words: str) -> None:
        api.create(CONFIG_MAPS, config_map("a"))
        refused = api.delete(f"{CONFIG_MAPS}/a", **query)
        assert refused["code"] == code
        assert words in refused["message"]
        assert api.get(f"{CONFIG_MAPS}/a")["kind"] == "ConfigMap"

    def test_finalizers_have_names_and_no_new_ones_come_while_an_object_goes(self, api: Api) -> None:
        body = config_map("a")
        refused = api.create(CONFIG_MAPS, body | {"metadata": {"name": "a", "finalizers": ["plain"]}})
        assert "neither a standard finalizer name nor is it fully qualified" in refused["message"]
        api.create(CONFIG_MAPS, body | {"metadata": {"name": "a", "finalizers": ["x.io/a"]}})
        api.delete(f"{CONFIG_MAPS}/a")
        refused = api.patch(f"{CONFIG_MAPS}/a", {"metadata": {"finalizers": ["x.io/a", "x.io/b"]}})
        assert refused["message"].endswith('found new finalizers []string{"x.io/b"}')
