"""Images: what the kubelet says and does when one cannot be had."""

import pytest

from simulator.kubelet.backoff import Backoff
from simulator.kubelet.image_reference import ImageReference, InvalidReferenceError
from simulator.resources import NODES
from tests.simulator.world import alone, running_world

TYPO = (
    'rpc error: code = NotFound desc = failed to pull and unpack image "docker.io/library/nginx:1.72": failed to '
    'resolve reference "docker.io/library/nginx:1.72": docker.io/library/nginx:1.72: not found'
)


async def test_a_missing_tag_is_reported_word_for_word_and_backed_off() -> None:
    async with running_world() as world:
        await world.run_pod(alone("nginx:1.72"))
        waiting = await world.waits("ImagePullBackOff")
        assert waiting["message"] == f'Back-off pulling image "nginx:1.72": ErrImagePull: {TYPO}'
        assert (await world.event("Failed", "Failed to pull"))["message"] == (
            f'Failed to pull image "nginx:1.72": {TYPO}'
        )
        assert (await world.event("Failed", "Error: ErrImagePull"))["type"] == "Warning"
        assert (await world.event("Failed", "Error: ImagePullBackOff"))["type"] == "Warning"
        backoff = await world.event("BackOff")
        assert (backoff["type"], backoff["message"]) == ("Normal", 'Back-off pulling image "nginx:1.72"')
        assert backoff["involvedObject"]["fieldPath"] == "spec.containers{main}"
        assert (await world.pod() or {})["status"]["phase"] == "Pending"


@pytest.mark.parametrize(
    ("image", "part"),
    [
        ("ngnix:1.27", "pull access denied, repository does not exist or may require authorization"),
        ("registry.example/shop/wbe:2.4.1", "registry.example/shop/wbe:2.4.1: not found"),
        ("nowhere.example/web:1", "dial tcp: lookup nowhere.example: no such host"),
    ],
)
async def test_unknown_repositories_and_hosts_fail_in_containerds_words(image: str, part: str) -> None:
    async with running_world() as world:
        await world.run_pod(alone(image))
        assert part in (await world.event("Failed", "Failed to pull"))["message"]


async def test_a_reference_that_cannot_be_parsed_is_an_invalid_image_name() -> None:
    async with running_world() as world:
        await world.run_pod(alone("nginx:1.27:x"))
        waiting = await world.waits("InvalidImageName")
        expected = (
            'Failed to apply default image tag "nginx:1.27:x": couldn\'t parse image name "nginx:1.27:x": '
            "invalid reference format"
        )
        assert waiting["message"] == expected
        assert (await world.event("InspectFailed"))["message"] == expected


async def test_pull_policy_never_uses_only_what_the_node_has() -> None:
    async with running_world() as world:
        await world.run_pod(alone("nginx:1.27", imagePullPolicy="Never"))
        await world.waits("ErrImageNeverPull")
        event = await world.event("ErrImageNeverPull")
        assert event["message"] == 'Container image "nginx:1.27" is not present with pull policy of Never'


async def test_a_node_lists_the_images_it_has_pulled() -> None:
    async with running_world(nodes=1) as world:
        await world.run_pod(alone("nginx:1.27"))

        async def listed() -> list[str]:
            node = await world.client.get(NODES, "node-1")
            return [name for image in node["status"].get("images") or () for name in image["names"]]

        names = await world.eventually(listed)
        assert "docker.io/library/nginx:1.27" in names
        assert any(name.startswith("docker.io/library/nginx@sha256:") for name in names)


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginxinc/nginx:1", "docker.io/nginxinc/nginx:1"),
        ("registry.example:5000/a/b:c", "registry.example:5000/a/b:c"),
        ("localhost/a:1", "localhost/a:1"),
    ],
)
def test_references_get_the_defaults_of_docker_hub(text: str, full: str) -> None:
    assert str(ImageReference.parse(text)) == full


@pytest.mark.parametrize("text", ["", "Nginx", "nginx:", "a//b", "nginx@sha256:12"])
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(InvalidReferenceError, match="invalid reference format"):
        ImageReference.parse(text)


def test_the_back_off_doubles_to_five_minutes_and_starts_afresh_after_ten_quiet_ones() -> None:
    backoff, now, seen = Backoff(), 0.0, []
    for _ in range(7):
        backoff.next("a", event_at=now, now=now)
        seen.append(backoff.seconds("a"))
        now += seen[-1]
    assert seen == [10, 20, 40, 80, 160, 300, 300]
    assert backoff.is_active("a", since=now, now=now + 299)
    assert not backoff.is_active("a", since=now, now=now + 301)
    backoff.next("a", event_at=now + 601, now=now + 601)
    assert backoff.seconds("a") == 10
