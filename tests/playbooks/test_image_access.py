"""Images that may not be pulled, or are of nobody: the secret that neighbours use, the official name, or a person."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from incidents.evidence import Evidence
from incidents.images import parse_image
from incidents.proposals import Diagnosis, Needs, Opinion, RollBack, SetField, Silent
from playbooks.consult import consult
from playbooks.image_reference import consider
from playbooks.official_images import is_official, meant_by, serves
from tests.builders import (
    IMAGE_PATH,
    container,
    deployment,
    evidence,
    not_there,
    pod,
    replica_set,
    snapshot,
    template,
    waiting,
)

Object = dict[str, Any]
PRIVATE = "private.example/team/billing:3.0.1"
SECRETS = "/spec/template/spec/imagePullSecrets"
REFUSED = "failed to authorize: unexpected status: 401 Unauthorized"
MISSING_SECRET = (
    "Unable to retrieve some image pull secrets (team-regsitry); attempting to pull the image may not succeed."
)
NEVER = 'Container image "x" is not present with pull policy of Never'


def failing(
    said: str = REFUSED,
    image: str = PRIVATE,
    *,
    pods: Sequence[Object] | None = (),
    ours: list[str] | None = None,
    good: bool = False,
    tags: Sequence[str] = (),
    events: Sequence[str] = (),
    of: str = "",
    **more: Any,
) -> Evidence:
    spec = {"imagePullSecrets": [{"name": name} for name in ours]} if ours is not None else {}
    present = template(container(image=image), **spec)
    old, new = replica_set(template(container(image="nginx:1.0")), number=1), replica_set(present, number=2)
    status = not_there(image) if said == "not found" else waiting("ImagePullBackOff", said)
    mine = [pod(status, of=new), *([pod(name="old", of=old, ready=True)] if good else [])]
    objects = {"Pod": pods} if pods is not None else None
    answers = {
        "known-images:" + (of or image.partition(":")[0]): (),
        "image-tags:" + (of or image.partition(":")[0]): tuple(tags),
    }
    taken = snapshot(deployment(present, **more), [old, new], mine)
    return evidence(taken, objects=objects, answers=answers, events=events)


def neighbour(*secrets: str, image: str = "private.example/team/other:1", ready: bool = True) -> Object:
    one = pod(name=f"n-{'-'.join(secrets)}-{ready}", ready=ready)
    return {**one, "spec": {"containers": [{"image": image}], "imagePullSecrets": [{"name": n} for n in secrets]}}


def told(taken: Evidence) -> Diagnosis:
    answer = consider(taken, ())
    assert isinstance(answer, Silent), answer
    assert answer.diagnosis is not None
    return answer.diagnosis


def with_port(taken: Evidence, port: int) -> Evidence:
    workload = taken.snapshot.workload
    spec = workload["spec"]["template"]["spec"]
    containers = [{**one, "ports": [{"containerPort": port}]} for one in spec["containers"]]
    template_ = {**workload["spec"]["template"], "spec": {**spec, "containers": containers}}
    changed = {**workload, "spec": {**workload["spec"], "template": template_}}
    return msgspec.structs.replace(taken, snapshot=msgspec.structs.replace(taken.snapshot, workload=changed))


def edits(taken: Evidence) -> object:
    answer = consider(taken, ())
    assert isinstance(answer, Opinion), answer
    return answer.proposal.action


class TestPullSecrets:
    """A registry that refuses access."""

    def test_the_one_secret_that_every_neighbour_of_that_registry_uses_is_meant(self) -> None:
        pods = [neighbour("team-registry"), neighbour("team-registry"), neighbour(image="nginx:1.27")]
        assert edits(failing(pods=pods)) == (SetField(path=SECRETS, expected=None, value=[{"name": "team-registry"}]),)

    @pytest.mark.parametrize(
        ("events", "named"),
        [
            # One that is not there gives way.
            ((MISSING_SECRET,), ["team-registry"]),
            # One that is there may be what another container of the pod is pulled with.
            ((), ["team-regsitry", "team-registry"]),
        ],
    )
    def test_a_secret_that_is_named_already_gives_way_only_if_it_is_not_there(
        self, events: tuple[str, ...], named: list[str]
    ) -> None:
        taken = failing(pods=[neighbour("team-registry")], ours=["team-regsitry"], events=events)
        value = [{"name": name} for name in named]
        assert edits(taken) == (SetField(path=SECRETS, expected=[{"name": "team-regsitry"}], value=value),)

    def test_the_neighbours_are_asked_for_first(self) -> None:
        answer = consider(failing(pods=None), ())
        assert isinstance(answer, Needs)
        assert [want.key for want in answer.wants] == ["objects:Pod"]

    @pytest.mark.parametrize(
        ("pods", "ours"),
        [
            ([], None),
            ([neighbour("one"), neighbour("two")], None),
            ([neighbour("one", "two")], None),
            ([neighbour("one"), neighbour()], None),  # it can be pulled without one
            ([neighbour("one", ready=False)], None),  # perhaps it cannot be pulled with that one
            ([neighbour("one", image="other.example/team/x:1")], None),
            ([neighbour("one")], ["one"]),
            ([neighbour("one")], ["two", "three"]),
        ],
    )
    def test_else_a_person_is_told_what_is_missing(self, pods: list[Object], ours: list[str] | None) -> None:
        said = told(failing(pods=pods, ours=ours))
        assert PRIVATE in said.cause
        assert "pull secret" in said.cause
        assert "401 Unauthorized" in said.rests_on[0]


class TestOfficialImages:
    """Names that are a slip of an official image's."""

    EITHER = "pull access denied, repository does not exist or may require authorization: authorization failed"

    def test_the_one_official_name_is_meant_where_its_tag_exists(self) -> None:
        taken = failing(self.EITHER, "ngnix:1.27", of="nginx", tags=["1.27"])
        assert edits(taken) == (SetField(path=IMAGE_PATH, expected="ngnix:1.27", value="nginx:1.27"),)

    def test_it_stays_spelled_as_it_was(self) -> None:
        name = "docker.io/library/nginx"
        taken = failing(self.EITHER, "docker.io/library/ngnix:1.27", of=name, tags=["1.27"])
        assert edits(taken) == (SetField(path=IMAGE_PATH, expected=f"{name[:-5]}ngnix:1.27", value=f"{name}:1.27"),)

    def test_or_where_what_runs_it_is_called_so(self) -> None:
        taken = failing(self.EITHER, "ngnix:latest", of="nginx")
        called = msgspec.structs.replace(taken, subject=msgspec.structs.replace(taken.subject, name="nginx"))
        assert edits(called) == (SetField(path=IMAGE_PATH, expected="ngnix:latest", value="nginx:latest"),)

    def test_or_where_its_container_has_the_port_of_that_image(self) -> None:
        assert edits(with_port(failing(self.EITHER, "ngnix:1.27", of="nginx"), 80)) == (
            SetField(path=IMAGE_PATH, expected="ngnix:1.27", value="nginx:1.27"),
        )
        assert told(with_port(failing(self.EITHER, "ngnix:1.27", of="nginx", tags=["1.28"]), 80)).family == "image"
        assert told(with_port(failing(self.EITHER, "ngnix:1.27", of="nginx"), 8080)).family == "image"

    @pytest.mark.parametrize(
        ("image", "of", "tags"),
        [
            ("ngnix:1.27", "nginx", ["1.28"]),  # somebody's own image, that was never pushed
            ("ngnix:latest", "nginx", ["latest"]),  # every image has that tag
            ("ngnix:1.27", "nginx", []),  # nobody says that there is such a tag
            ("ngnix", "nginx", ["latest"]),
            ("note:20", "node", ["20"]),  # a word, and no slip
            ("mango:7", "mongo", ["7"]),
        ],
    )
    def test_a_name_alone_is_no_evidence(self, image: str, of: str, tags: list[str]) -> None:
        assert told(failing(self.EITHER, image, of=of, tags=tags)).family == "image"

    @pytest.mark.parametrize(
        "image",
        ["team/ngnix:1", "quay.example/ngnix:1", "orders:1", "ngnix@sha256:" + "a" * 64, "mysql:9", "mongoo1:1"],
    )
    def test_other_registries_other_names_and_official_ones_are_not_corrected(self, image: str) -> None:
        assert told(failing(self.EITHER, image)).family == "image"

    def test_only_slips_are_meant(self) -> None:
        assert meant_by(parse_image("postgers:17")) == "postgres"
        assert meant_by(parse_image("postgres:17")) is None
        assert meant_by(parse_image("web:17")) is None
        assert is_official(parse_image("busybox"))
        assert serves(parse_image("nginx:1"))
        assert not serves(parse_image("busybox"))


class TestWhatIsTold:
    """Causes in words, where nothing is changed."""

    @pytest.mark.parametrize(
        ("said", "word"),
        [
            ("no match for platform in manifest: not found", "architecture"),
            (NEVER, "may not be pulled"),
            ("not found", "does not exist"),
            ("unexpected status: 503 Service Unavailable", "does not answer"),
        ],
    )
    def test_each_refusal_of_a_pull_has_its_cause(self, said: str, word: str) -> None:
        assert word in told(failing(said, "registry.example/shop/web:2.4.2")).cause

    def test_what_the_registry_said_is_told_as_it_was_said(self) -> None:
        (line, *_) = told(failing("not found", "registry.example/shop/web:2.4.2")).rests_on
        assert "registry.example/shop/web:2.4.2: not found" in line

    def test_a_registry_that_is_asked_too_often_is_waited_for(self) -> None:
        said = told(failing("429 Too Many Requests: toomanyrequests", "registry.example/shop/web:2.4.2", good=True))
        assert "asked too often (429)" in said.cause

    def test_an_image_that_ran_here_and_is_gone_is_told_so(self) -> None:
        taken = failing("not found", "nginx:1.27")
        seen = tuple(msgspec.structs.replace(one, seen_well=True) for one in taken.revisions)
        assert "ran here before" in told(msgspec.structs.replace(taken, revisions=seen)).cause

    def test_an_event_does_not_outvote_what_the_kubelet_says(self) -> None:
        image = "registry.example/shop/web:2.4.2"
        taken = failing("503 Service Unavailable", image, good=True, events=[f"{image}: not found"])
        assert "does not answer" in told(taken).cause

    def test_an_image_that_may_not_be_pulled_goes_with_the_change_that_brought_it(self) -> None:
        answer = consider(failing(NEVER, "nginx:9", good=True), ())
        assert isinstance(answer, Opinion)
        assert isinstance(answer.proposal.action, RollBack)

    def test_who_manages_the_object_is_told_with_the_cause(self) -> None:
        marked = {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web"}
        answer = consult(failing("not found", "nginx:9", good=True, annotations=marked), ())
        assert not isinstance(answer, Needs)
        assert answer.diagnosis is not None
        assert "Argo CD manages it" in answer.diagnosis.rests_on[-1]

    def test_what_an_operator_manages_is_diagnosed_all_the_same(self) -> None:
        taken = failing("not found", "nginx:9", good=True)
        owned = msgspec.structs.replace(taken, subject=msgspec.structs.replace(taken.subject, manager="App/shop"))
        answer = consult(owned, ())
        assert isinstance(answer, Silent)
        assert answer.diagnosis is not None
        assert answer.diagnosis.family == "image"


class TestInvalidNames:
    """References that no runtime can read."""

    SAID = "Failed to apply default image tag: couldn't parse image name: invalid reference format"

    @pytest.mark.parametrize("image", ["Nginx:1.27", "https://nginx:1.27", "nginx::1.27"])
    def test_they_are_spelled_as_they_have_to_be_where_there_is_such_an_image(self, image: str) -> None:
        taken = failing(self.SAID, image, of="nginx", tags=["1.27", "1.28"])
        assert edits(taken) == (SetField(path=IMAGE_PATH, expected=image, value="nginx:1.27"),)

    def test_where_nobody_knows_the_tags_it_is_tried(self) -> None:
        taken = failing(self.SAID, "nginx::1.27", of="nginx")
        assert edits(taken) == (SetField(path=IMAGE_PATH, expected="nginx::1.27", value="nginx:1.27"),)

    @pytest.mark.parametrize("image", ["nginx:1.27 1.28", "nginx:", "nginx::1.29", "https://"])
    def test_what_is_nowhere_or_still_no_name_is_for_a_person(self, image: str) -> None:
        assert told(failing(self.SAID, image, of="nginx", tags=["1.27"])).family == "image"


def another_program(**fields: Any) -> Evidence:
    """A rollout to another repository, whose tag is not there; ``fields`` came with it."""
    present = template(container(image="caddy:2.99", **fields))
    old, new = replica_set(template(container(image="nginx:1.27")), number=1), replica_set(present, number=2)
    pods = [pod(not_there("caddy:2.99"), of=new), pod(name="old", of=old, ready=True)]
    return evidence(snapshot(deployment(present), [old, new], pods))


def test_another_program_goes_back_with_the_settings_that_came_with_it() -> None:
    answer = consider(another_program(args=["run", "--config=/etc/caddy"]), ())
    assert isinstance(answer, Opinion)
    assert isinstance(answer.proposal.action, RollBack)


def test_a_mistyped_repository_alone_goes_back_alone() -> None:
    assert edits(another_program()) == (SetField(path=IMAGE_PATH, expected="caddy:2.99", value="nginx:1.27"),)
