"""Quantities, pointers and plain words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.pointers import PathNotFound, matches, parts_of, pointer, resolve, value_at
from incidents.quantities import UnreadableQuantity, format_bytes, parse_bytes
from incidents.words import UnclearWords, parse_words

DOCUMENT = {
    "spec": {
        "containers": [{"name": "web", "args": ["a", "b"]}, {"name": "side"}],
        "volumes": [{"name": "twin"}, {"name": "twin"}],
    }
}


class TestQuantities:
    """Bytes as Kubernetes reads them."""

    @pytest.mark.parametrize(
        ("text", "count"),
        [
            ("128Mi", 128 * 1024**2),
            ("1G", 10**9),
            ("1e6", 10**6),
            ("1E", 10**18),
            ("1.5Gi", 3 * 512 * 1024**2),
            ("100", 100),
            (256, 256),
            ("128974848000m", 128974848),
            ("1500m", 2),
            ("1u", 1),
            ("1n", 1),
            ("0", 0),
        ],
    )
    def test_a_quantity_is_read_and_rounded_up(self, text: object, count: int) -> None:
        assert parse_bytes(text) == count

    @pytest.mark.parametrize(
        "text", ["", "Mi", "12 Mi", "12mi", "twelve", None, "1e", "nan", "1" * 40, "100000000000Ei", "1e999999999"]
    )
    def test_what_is_no_quantity_is_refused_in_one_sentence(self, text: object) -> None:
        with pytest.raises(UnreadableQuantity, match="quantity"):
            parse_bytes(text)

    @given(st.integers(min_value=0, max_value=2**62))
    def test_formatting_and_reading_give_the_number_back(self, count: int) -> None:
        assert parse_bytes(format_bytes(count)) == count

    def test_the_largest_binary_suffix_that_divides_is_taken(self) -> None:
        assert [format_bytes(n) for n in (1024**3, 1536 * 1024**2, 1000, 2048)] == ["1Gi", "1536Mi", "1000", "2Ki"]


class TestPointers:
    """JSON pointers, and field paths with named items."""

    @given(st.lists(st.text(max_size=6), max_size=5))
    def test_a_pointer_gives_its_parts_back(self, parts: list[str]) -> None:
        assert parts_of(pointer(parts)) == parts

    def test_a_named_item_is_found_at_its_index(self) -> None:
        assert resolve(DOCUMENT, "/spec/containers[side]/image") == ["spec", "containers", 1, "image"]

    @pytest.mark.parametrize(
        "path",
        ["/spec/containers[gone]/image", "/spec/volumes[twin]", "/none[web]", "spec", "/spec/containers/0/image"],
    )
    def test_a_path_without_one_certain_place_is_refused(self, path: str) -> None:
        with pytest.raises(PathNotFound):
            resolve(DOCUMENT, path)

    def test_a_list_without_names_is_addressed_by_index(self) -> None:
        parts = resolve(DOCUMENT, "/spec/containers[web]/args/1")
        assert value_at(DOCUMENT, parts) == "b"

    @pytest.mark.parametrize(
        ("text", "pattern", "fits"),
        [
            ("/a/0/image", "/a/*/image", True),
            ("/a/0/1/image", "/a/*/image", False),
            ("/a/b/c", "/a/**", True),
            ("/a", "/a/**", False),
            ("/ab/c", "/a/**", False),
            ("/a/x~1y", "/a/x~1y", True),
            ("/a/x/y", "/a/x~1y", False),
            ("/a/image/more", "/a/image", False),
        ],
    )
    def test_patterns_allow_a_segment_or_a_whole_rest(self, text: str, pattern: str, fits: bool) -> None:
        assert matches(text, pattern) is fits


class TestPlainWords:
    """What a person types."""

    def test_kind_name_namespace_and_event_are_understood(self) -> None:
        words = parse_words("deployment: nginx, namespace: shop, event: Back-off pulling image 'nginx:latess'")
        assert (words.kind.kind, words.name, words.namespace) == ("Deployment", "nginx", "shop")
        assert words.event == "Back-off pulling image 'nginx:latess'"

    @pytest.mark.parametrize("text", ["Deployment/nginx", "DEPLOYMENT = nginx", "please look at deployment: nginx"])
    def test_other_spellings_mean_the_same_and_the_namespace_is_default(self, text: str) -> None:
        words = parse_words(text)
        assert (words.kind.kind, words.name, words.namespace) == ("Deployment", "nginx", "default")

    def test_words_inside_the_event_rename_nothing(self) -> None:
        words = parse_words("deployment: web, event: deployment: victim, namespace: kube-system")
        assert (words.name, words.namespace) == ("web", "default")

    @pytest.mark.parametrize(
        ("text", "missing"),
        [
            ("", "which workload"),
            ("something is broken", "which workload"),
            ("deployment: ../etc", "deployment"),
            ("deployment: web, namespace: A B", "namespace"),
        ],
    )
    def test_what_is_missing_is_named_with_an_example(self, text: str, missing: str) -> None:
        with pytest.raises(UnclearWords, match=rf"{missing}.*nginx:latess"):
            parse_words(text)
