"""The OCI registry of the simulated world."""

import hashlib
from collections.abc import Iterator

import httpx
import pytest

from simulator import EmbeddedCluster


@pytest.fixture(scope="module")
def registry() -> Iterator[httpx.Client]:
    with EmbeddedCluster(nodes=1) as cluster, httpx.Client(base_url=f"http://{cluster.registry}") as client:
        yield client


def test_it_speaks_version_two(registry: httpx.Client) -> None:
    answer = registry.get("/v2/")
    assert answer.status_code == 200
    assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"


@pytest.mark.parametrize("name", ["nginx", "library/nginx"])
def test_hub_images_are_found_with_and_without_library(registry: httpx.Client, name: str) -> None:
    body = registry.get(f"/v2/{name}/tags/list").json()
    assert body["name"] == name
    assert "1.27" in body["tags"]


def test_tags_come_in_pages_that_lead_on_to_the_next(registry: httpx.Client) -> None:
    seen, url = [], "/v2/shop/web/tags/list?n=3"
    while url:
        answer = registry.get(url)
        seen += answer.json()["tags"]
        url = answer.links["next"]["url"] if "next" in answer.links else ""
    assert seen == ["2.3.0", "2.3.1", "2.4.0", "2.4.1"]


def test_manifest_and_config_carry_the_digests_of_their_bytes(registry: httpx.Client) -> None:
    answer = registry.get("/v2/shop/web/manifests/2.4.1")
    assert answer.headers["Docker-Content-Digest"] == digest(answer.content)
    config = answer.json()["config"]
    blob = registry.get(f"/v2/shop/web/blobs/{config['digest']}")
    assert (digest(blob.content), len(blob.content)) == (config["digest"], config["size"])
    run = blob.json()["config"]
    assert run["ExposedPorts"] == {"8080/tcp": {}}
    assert (run["User"], run["Entrypoint"], blob.json()["architecture"]) == ("1000", ["/app/web"], "amd64")


def test_a_manifest_is_found_by_its_digest_and_by_head(registry: httpx.Client) -> None:
    known = registry.get("/v2/nginx/manifests/1.27")
    digest_of = known.headers["Docker-Content-Digest"]
    assert registry.get(f"/v2/nginx/manifests/{digest_of}").content == known.content
    head = registry.head("/v2/nginx/manifests/1.27")
    assert (head.status_code, head.headers["Docker-Content-Digest"], head.content) == (200, digest_of, b"")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v2/nginx/manifests/1.72", "MANIFEST_UNKNOWN"),
        ("/v2/ngnix/tags/list", "NAME_UNKNOWN"),
        ("/v2/ngnix/manifests/1.27", "NAME_UNKNOWN"),
        (f"/v2/nginx/blobs/sha256:{'0' * 64}", "BLOB_UNKNOWN"),
    ],
)
def test_what_is_not_there_is_a_404_with_its_code(registry: httpx.Client, path: str, code: str) -> None:
    answer = registry.get(path)
    assert answer.status_code == 404
    assert answer.json()["errors"][0]["code"] == code


def test_a_page_size_that_is_no_number_is_refused(registry: httpx.Client) -> None:
    assert registry.get("/v2/nginx/tags/list?n=x").status_code == 400


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def test_what_only_some_may_pull_wants_their_name(registry: httpx.Client) -> None:
    path = "/v2/team/billing/tags/list"
    refused = registry.get(path)
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, 'Basic realm="simulated registry"')
    assert registry.get(path, auth=("puller", "guess")).status_code == 401
    assert registry.get(path, auth=("puller", "let-me-pull")).json()["tags"] == ["3.0.0", "3.0.1"]
