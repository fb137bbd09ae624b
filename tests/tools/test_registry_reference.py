"""Image references, parsed as the container runtimes parse them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.images import ImageReference, ImageReferenceError, is_tag, parse_image, respelled

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "digest"),
    [
        ("nginx", "docker.io", "library/nginx", None, None),
        ("nginx:1.27", "docker.io", "library/nginx", "1.27", None),
        ("bitnami/redis:7", "docker.io", "bitnami/redis", "7", None),
        ("docker.io/nginx", "docker.io", "library/nginx", None, None),
        ("index.docker.io/nginx", "docker.io", "library/nginx", None, None),
        ("registry.example/shop/api:v2.1.0", "registry.example", "shop/api", "v2.1.0", None),
        ("registry.example:5000/api", "registry.example:5000", "api", None, None),
        ("localhost/api", "localhost", "api", None, None),
        ("localhost:5000/api:x", "localhost:5000", "api", "x", None),
        ("[::1]:5000/api:x", "[::1]:5000", "api", "x", None),
        (f"nginx@{DIGEST}", "docker.io", "library/nginx", None, DIGEST),
        (f"ghcr.io/a/b/c:v1@{DIGEST}", "ghcr.io", "a/b/c", "v1", DIGEST),
        ("a__b/c--d.e:T_1", "docker.io", "a__b/c--d.e", "T_1", None),
        ("Host/api", "Host", "api", None, None),
    ],
)
def test_a_reference_is_split_with_docker_hubs_defaults(
    text: str, registry: str, repository: str, tag: str | None, digest: str | None
) -> None:
    parsed = parse_image(text)
    assert (parsed.registry, parsed.repository, parsed.tag, parsed.digest) == (registry, repository, tag, digest)
    assert str(parsed) == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has no name"),
        (":tag", "has no name"),
        ("nginx:", "is not a tag"),
        ("nginx:1.27:2", "not a registry|not a repository"),
        ("nginx:.hidden", "is not a tag"),
        ("nginx:" + "x" * 129, "is not a tag"),
        ("docker.io/Nginx", "lower case"),
        ("nginx latest", "not a repository path"),
        ("nginx\n", "not a repository path"),
        ("a//b", "not a repository path"),
        ("/nginx", "not a r"),
        ("nginx/", "not a repository path"),
        ("https://registry.example/x", "not a r"),
        ("-bad-.example/x", "not a registry host"),
        ("nginx@sha256:abc", "digest must look like"),
        ("nginx@sha256:" + "a" * 40, "digest must look like"),
        ("a" * 64, "bare identifier"),
        ("a" * 300, "longer than 255"),
        ("café", "not a repository path"),
        ("nginx:١", "is not a tag"),
    ],
)
def test_what_a_kubelet_calls_invalid_is_refused_with_the_part_that_is_wrong(text: str, says: str) -> None:
    with pytest.raises(ImageReferenceError, match=says):
        parse_image(text)


def test_a_new_tag_keeps_the_spelling_of_the_name_and_drops_the_digest() -> None:
    assert str(parse_image("nginx:1.72").with_tag("1.27")) == "nginx:1.27"
    assert str(parse_image(f"docker.io/nginx:1.72@{DIGEST}").with_tag("1.27")) == "docker.io/nginx:1.27"
    with pytest.raises(ImageReferenceError, match="is not a tag"):
        parse_image("nginx").with_tag("a b")


def test_spellings_of_one_image_are_equal() -> None:
    assert parse_image("nginx:1") == parse_image("docker.io/library/nginx:1")
    assert hash(parse_image("nginx:1")) == hash(parse_image("index.docker.io/nginx:1"))
    assert parse_image("nginx:1").same_repository(parse_image("docker.io/nginx:2"))
    assert not parse_image("nginx:1").same_repository(parse_image("registry.example/library/nginx:1"))
    assert parse_image("nginx:1").canonical == "docker.io/library/nginx:1"


def test_the_tag_that_is_pulled_is_latest_only_without_tag_and_digest() -> None:
    assert parse_image("nginx").effective_tag == "latest"
    assert parse_image("nginx:1").effective_tag == "1"
    assert parse_image(f"nginx@{DIGEST}").effective_tag is None


PART = st.from_regex(r"[a-z0-9]{1,8}((\.|_|__|-{1,2})[a-z0-9]{1,8}){0,2}", fullmatch=True)
REPOSITORY = st.lists(PART, min_size=1, max_size=3).map("/".join)
REGISTRY = st.sampled_from(["docker.io", "ghcr.io", "registry.example:5000", "localhost", "10.0.0.1:80", "[::1]:5000"])
TAG = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)


@given(REGISTRY, REPOSITORY, st.none() | TAG, st.booleans())
def test_every_well_formed_reference_survives_the_round_trip(
    registry: str, repository: str, tag: str | None, pinned: bool
) -> None:
    text = f"{registry}/{repository}" + (f":{tag}" if tag else "") + (f"@{DIGEST}" if pinned else "")
    parsed = parse_image(text)
    assert str(parsed) == text
    assert (parsed.registry, parsed.tag, parsed.digest) == (registry, tag, DIGEST if pinned else None)
    assert parse_image(parsed.canonical) == parsed


@given(st.text(max_size=60) | st.text(alphabet="aA0.:/@-_[] ", max_size=20))
def test_any_text_is_a_reference_or_a_clear_error(text: str) -> None:
    try:
        parsed = parse_image(text)
    except ImageReferenceError:
        return
    assert str(parsed) == text
    assert parse_image(parsed.canonical) == parsed


@given(st.text(max_size=200))
def test_a_tag_that_is_accepted_can_stand_in_a_reference(text: str) -> None:
    if is_tag(text):
        assert ImageReference("docker.io", "library/x").with_tag(text) == parse_image(f"x:{text}")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("registry.example/Shop/web:2.4.1", "registry.example/shop/web:2.4.1"),
        ("registry.example/shop/web::2.4.1", "registry.example/shop/web:2.4.1"),
        ("https://registry.example:5000/shop//web:1", "registry.example:5000/shop/web:1"),
        (" Nginx:1.27 ", "nginx:1.27"),
    ],
)
def test_what_is_no_reference_is_respelled_where_it_can_mean_but_one(written: str, meant: str) -> None:
    found = respelled(written)
    assert found is not None
    assert str(found) == meant


@pytest.mark.parametrize(
    "text",
    ["nginx:1.27", "nginx:1.27 1.28", "nginx:1.27:latest", "", "::", "a" * 5_000, "nginx@sha256:abc", "nginx:-x"],
)
def test_what_is_one_or_still_is_none_is_not(text: str) -> None:
    assert respelled(text) is None
