"""Who may pull an image, from where, for which machine."""

import base64
from typing import Any

import orjson
import pytest

from simulator.clock import SimClock
from simulator.kubelet.catalogue import Catalogue, Program, Registry, load_catalogue
from simulator.kubelet.image_access import credentials_for, may_pull
from simulator.kubelet.image_reference import ImageReference
from simulator.kubelet.images import NodeImages, PullError, RegistryHosts
from simulator.resources import SECRETS
from tests.simulator.world import NAMESPACE, World, alone, running_world

PRIVATE = "private.example/team/billing:3.0.1"


def auths(host: str, user: str, password: str) -> dict[str, Any]:
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    content = base64.b64encode(orjson.dumps({"auths": {host: {"auth": pair}}})).decode()
    return {"data": {".dockerconfigjson": content}}


async def pull_secret(world: World, password: str) -> None:
    metadata = {"name": "pull", "namespace": NAMESPACE}
    body = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson", "metadata": metadata}
    await world.client.create(SECRETS, body | auths("private.example", "puller", password))


async def test_a_private_image_needs_a_secret_and_one_that_is_not_there_is_told_of() -> None:
    async with running_world() as world:
        await world.run_pod(alone(PRIVATE) | {"imagePullSecrets": [{"name": "pull"}]})
        event = await world.event("Failed", "failed to authorize")
        assert event["message"].endswith(": 401 Unauthorized")
        assert "failed to fetch anonymous token" in event["message"]
        missing = await world.event("FailedToRetrieveImagePullSecret")
        assert missing["message"] == (
            "Unable to retrieve some image pull secrets (pull); attempting to pull the image may not succeed."
        )
        assert "fieldPath" not in missing["involvedObject"]


@pytest.mark.parametrize(("password", "reason"), [("let-me-pull", "Pulled"), ("guess", "Failed")])
async def test_a_secret_opens_the_registry_if_it_is_the_right_one(password: str, reason: str) -> None:
    async with running_world() as world:
        await pull_secret(world, password)
        await world.run_pod(alone(PRIVATE) | {"imagePullSecrets": [{"name": "pull"}]})
        event = await world.event(reason)
        if reason == "Failed":
            assert "failed to fetch oauth token" in event["message"]


@pytest.mark.parametrize("key", ["private.example", "https://private.example", "https://private.example/v1/"])
def test_an_entry_counts_for_its_host_however_it_is_written(key: str) -> None:
    found = credentials_for("private.example", [auths(key, "puller", "x")])
    assert found == {("puller", "x")}
    assert credentials_for("other.example", [auths(key, "puller", "x")]) == frozenset()


def test_a_secret_that_cannot_be_read_is_passed_over() -> None:
    broken: list[dict[str, Any]] = [
        {"data": {".dockerconfigjson": "%%"}},
        {"data": {}},
        {"data": {".dockerconfigjson": "e30="}},
    ]
    assert credentials_for("private.example", broken) == frozenset()


def test_an_open_registry_lets_everybody_in() -> None:
    assert may_pull(Registry(), frozenset())
    assert not may_pull(Registry(users={"a": "b"}), frozenset({("a", "c")}))


def test_an_image_for_another_machine_is_found_and_does_not_match() -> None:
    images = NodeImages(RegistryHosts(load_catalogue(), SimClock()))
    with pytest.raises(PullError, match=r"no match for platform in manifest sha256:[0-9a-f]{64}: not found$"):
        images.find(ImageReference.parse("registry.example/shop/thumbs:2.0.1"))


def test_a_registry_is_away_from_when_it_is_first_asked() -> None:
    catalogue = Catalogue({"away.example/web": {"1": Program()}}, {"away.example": Registry(outage_seconds=0.05)})
    clock = SimClock(1.0)
    images, reference = NodeImages(RegistryHosts(catalogue, clock)), ImageReference.parse("away.example/web:1")
    with pytest.raises(PullError, match="503 Service Unavailable"):
        images.find(reference)
    began = clock.monotonic()
    while clock.monotonic() - began < 0.06:
        pass
    assert images.find(reference).digest.startswith("sha256:")


def test_a_registry_may_say_why_it_is_away() -> None:
    limited = Registry(outage_seconds=60, outage_status="429 Too Many Requests")
    catalogue = Catalogue({"away.example/web": {"1": Program()}}, {"away.example": limited})
    images = NodeImages(RegistryHosts(catalogue, SimClock()))
    with pytest.raises(PullError, match="429 Too Many Requests"):
        images.find(ImageReference.parse("away.example/web:1"))


def test_what_was_pulled_with_a_secret_is_not_there_for_those_without() -> None:
    images = NodeImages(RegistryHosts(load_catalogue(), SimClock()))
    reference, own = ImageReference.parse(PRIVATE), frozenset({("puller", "let-me-pull")})
    images.keep(images.find(reference, own), own)
    assert images.present(reference, own) is not None
    assert images.present(reference) is None
