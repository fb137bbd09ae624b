"""ConfigMaps, Secrets and keys that are not there: the one that was meant, or a person."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from incidents.evidence import Evidence
from incidents.health import Finding
from incidents.proposals import Needs, Opinion, RollBack, SetField, Silent
from incidents.symptoms import Symptom
from playbooks.belonging import BESIDE
from playbooks.confidence import ONLY_ONE_FITS, SUGGESTED
from playbooks.references import consider
from tests.builders import container, deployment, evidence, pod, replica_set, snapshot, stamp, template, waiting

Object = dict[str, Any]
WEB = "/spec/template/spec/containers[web]"


def keyed(name: str, *keys: str, kind: str = "ConfigMap") -> Object:
    """A ConfigMap or Secret as it is listed: names of keys, no values."""
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": name, "uid": f"u-{name}"},
        "data": dict.fromkeys(keys, ""),
    }


def labelled(name: str, *keys: str, **labels: str) -> Object:
    found = keyed(name, *keys)
    return {**found, "metadata": {**found["metadata"], "labels": labels}}


def failing(
    message: str, *, listed: dict[str, list[Object]] | None, spec: Object | None = None, **fields: Any
) -> Evidence:
    present = template(container(**fields), **(spec or {}))
    new = replica_set(present)
    broken = pod(waiting("CreateContainerConfigError", message), of=new)
    objects = {**{kind: [] for kind in BESIDE}, **listed} if listed is not None else None
    return evidence(snapshot(deployment(present), [new], [broken]), objects=objects)


def from_env(name: str) -> Object:
    return {"envFrom": [{"configMapRef": {"name": name}}]}


def test_what_there_is_has_to_be_listed_first() -> None:
    answer = consider(failing('configmap "mail-setings" not found', listed=None, **from_env("mail-setings")), ())
    assert isinstance(answer, Needs)
    assert [want.key for want in answer.wants] == ["objects:ConfigMap"]


def test_the_one_neighbour_of_a_misspelt_name_is_meant() -> None:
    there = {"ConfigMap": [keyed("mail-settings", "HOST"), keyed("shop", "HOST")]}
    answer = consider(failing('configmap "mail-setings" not found', listed=there, **from_env("mail-setings")), ())
    assert isinstance(answer, Opinion)
    assert answer.proposal.action == (
        SetField(path=f"{WEB}/envFrom/0/configMapRef/name", expected="mail-setings", value="mail-settings"),
    )
    assert answer.proposal.ends is Symptom.CONFIG_ERROR


def test_every_place_that_names_it_is_corrected_in_one_change() -> None:
    env = [{"name": "HOST", "valueFrom": {"configMapKeyRef": {"name": "mail-setings", "key": "HOST"}}}]
    volumes = [{"name": "cfg", "configMap": {"name": "mail-setings"}}]
    there = {"ConfigMap": [keyed("mail-settings", "HOST")]}
    taken = failing('configmap "mail-setings" not found', listed=there, env=env, spec={"volumes": volumes})
    answer = consider(taken, ())
    assert isinstance(answer, Opinion)
    assert isinstance(answer.proposal.action, tuple)
    assert {edit.path for edit in answer.proposal.action} == {
        f"{WEB}/env[HOST]/valueFrom/configMapKeyRef/name",
        "/spec/template/spec/volumes[cfg]/configMap/name",
    }


@pytest.mark.parametrize(
    "there",
    [
        [],
        [keyed("shop", "HOST")],
        [keyed("mail-settings-a"), keyed("mail-settings-b")],  # two are equally near
        [keyed("mail-settings", "PORT")],  # lacks the key that is asked of it
        [labelled("mail-settings", "HOST", app="mail")],  # is another application's
        [keyed("mail-setting-eu", "HOST")],
        [keyed("main-settings", "HOST")],  # another word
    ],
)
def test_without_one_that_fits_a_person_is_told_what_is_missing(there: list[Object]) -> None:
    env = [{"name": "HOST", "valueFrom": {"configMapKeyRef": {"name": "mail-setings", "key": "HOST"}}}]
    answer = consider(failing('configmap "mail-setings" not found', listed={"ConfigMap": there}, env=env), ())
    assert isinstance(answer, Silent)
    assert answer.diagnosis is not None
    assert "mail-setings" in answer.diagnosis.cause


def beside(*names: str, **labels: str) -> list[Object]:
    made = {"template": {"metadata": {"labels": labels}}}
    return [{"kind": "Deployment", "metadata": {"name": name}, "spec": made} for name in names]


@pytest.mark.parametrize(("asked", "there"), [("web-config", "wbe-config"), ("eu-web", "eu-wbe")])
def test_a_name_that_says_what_the_workload_is_called_is_no_slip_and_a_person_is_asked(asked: str, there: str) -> None:
    taken = failing(f'configmap "{asked}" not found', listed={"ConfigMap": [keyed(there)]}, **from_env(asked))
    answer = consider(taken, ())
    assert isinstance(answer, Opinion)
    assert answer.proposal.confidence == SUGGESTED
    assert any(f"{asked} says web" in said for said in answer.diagnosis.rests_on)


@pytest.mark.parametrize(
    ("asked", "there", "workloads"),
    [
        ("mail-setings", keyed("mail-settings"), beside("mail")),
        ("mail-setings", keyed("mail-settings"), beside("web", "mail", app="web")),
        ("mail-setings", labelled("mail-settings", app="web"), beside("mail", app="web")),  # a label that all have
        ("web-api-setings", keyed("web-api-settings"), beside("web-api")),
    ],
    ids=["its name", "among others", "a label of all", "a longer name"],
)
def test_what_bears_the_name_of_another_workload_is_that_ones(
    asked: str, there: Object, workloads: list[Object]
) -> None:
    listed = {"ConfigMap": [there], "Deployment": workloads}
    assert isinstance(consider(failing(f'configmap "{asked}" not found', listed=listed, **from_env(asked)), ()), Silent)


@pytest.mark.parametrize(
    ("there", "workloads"),
    [
        (keyed("web-settings"), beside("we", "mail")),
        (labelled("web-settings", app="web"), beside("web-settings", app="mail")),
    ],
    ids=["its own name", "its own label"],
)
def test_what_is_its_own_by_name_or_label_is_meant_whoever_is_beside_it(there: Object, workloads: list[Object]) -> None:
    listed = {"ConfigMap": [there], "Deployment": workloads}
    answer = consider(failing('configmap "web-setings" not found', listed=listed, **from_env("web-setings")), ())
    assert isinstance(answer, Opinion)
    assert answer.proposal.confidence == ONLY_ONE_FITS


def test_who_is_beside_it_has_to_be_known_first_and_where_it_cannot_be_read_a_person_is_asked() -> None:
    taken = failing(
        'configmap "mail-setings" not found', listed={"ConfigMap": [keyed("mail-settings")]}, **from_env("mail-setings")
    )
    maps = {"ConfigMap": taken.objects["ConfigMap"]}
    only = msgspec.structs.replace(taken, objects=maps, answers={"objects:ConfigMap": ()})
    assert isinstance(consider(only, ()), Needs)
    unread = consider(msgspec.structs.replace(only, answers=taken.answers), ())
    assert isinstance(unread, Opinion)
    assert unread.proposal.confidence == SUGGESTED


@pytest.mark.parametrize(
    ("asked", "keys", "meant"), [("HOSTT", ["HOST"], "HOST"), ("log-level", ["LOG_LEVEL", "X"], "LOG_LEVEL")]
)
def test_a_misspelt_key_is_read_as_the_one_like_it(asked: str, keys: list[str], meant: str) -> None:
    env = [{"name": "H", "valueFrom": {"configMapKeyRef": {"name": "mail", "key": asked}}}]
    message = f"couldn't find key {asked} in ConfigMap shop/mail"
    answer = consider(failing(message, listed={"ConfigMap": [keyed("mail", *keys)]}, env=env), ())
    assert isinstance(answer, Opinion)
    place = f"{WEB}/env[H]/valueFrom/configMapKeyRef/key"
    assert answer.proposal.action == (SetField(path=place, expected=asked, value=meant),)


def test_secrets_that_may_not_be_listed_are_for_a_person() -> None:
    env = [{"name": "P", "valueFrom": {"secretKeyRef": {"name": "smpt", "key": "PASS"}}}]
    taken = failing('secret "smpt" not found', listed={}, env=env)
    asked = consider(taken, ())
    assert isinstance(asked, Needs)
    taken = failing('secret "smpt" not found', listed=None, env=env)
    unreadable = evidence(taken.snapshot, answers={"objects:Secret": ()})
    answer = consider(unreadable, ())
    assert isinstance(answer, Silent)
    assert "could not be read" in answer.because


def test_a_message_that_names_what_the_template_does_not_is_no_evidence() -> None:
    there = {"ConfigMap": [keyed("mail-settings")]}
    answer = consider(failing('configmap "mail-setings" not found', listed=there, **from_env("other")), ())
    assert isinstance(answer, Silent)


def test_every_wrong_name_is_corrected_since_the_kubelet_speaks_of_the_first_alone() -> None:
    sources = [{"configMapRef": {"name": "mail-setings"}}, {"configMapRef": {"name": "mail-limtis"}}]
    there = {"ConfigMap": [keyed("mail-settings"), keyed("mail-limits")]}
    answer = consider(failing('configmap "mail-setings" not found', listed=there, envFrom=sources), ())
    assert isinstance(answer, Opinion)
    assert answer.proposal.action == (
        SetField(path=f"{WEB}/envFrom/0/configMapRef/name", expected="mail-setings", value="mail-settings"),
        SetField(path=f"{WEB}/envFrom/1/configMapRef/name", expected="mail-limtis", value="mail-limits"),
    )


def test_one_that_may_be_missing_is_left_as_it_is() -> None:
    sources = [{"configMapRef": {"name": "mail-setings"}}, {"configMapRef": {"name": "mail-limtis", "optional": True}}]
    there = {"ConfigMap": [keyed("mail-settings"), keyed("mail-limits")]}
    answer = consider(failing('configmap "mail-setings" not found', listed=there, envFrom=sources), ())
    assert isinstance(answer, Opinion)
    assert isinstance(answer.proposal.action, tuple)
    assert [edit.value for edit in answer.proposal.action] == ["mail-settings"]


def after_a_change(
    *, before: Object, now: Object, missing: str = "gone", age: float = 60, there: str = "unlike"
) -> Evidence:
    old, new = replica_set(template(container(**before)), number=1), replica_set(template(container(**now)), number=2)
    broken = pod(waiting("CreateContainerConfigError", f'configmap "{missing}" not found'), of=new, age=age)
    pods = [broken, pod(name="web-old", of=old, ready=True)]
    workload = deployment(template(container(**now)))
    listed = {**dict.fromkeys(BESIDE, ()), "ConfigMap": [keyed(there)]}
    return evidence(snapshot(workload, [old, new], pods), objects=listed)


def test_a_reference_that_came_with_a_change_is_taken_back_with_it() -> None:
    answer = consider(after_a_change(before={}, now=from_env("gone")), ())
    assert isinstance(answer, Opinion)
    assert isinstance(answer.proposal.action, RollBack)
    assert answer.proposal.action.replica_set == "web-h1"


def test_what_a_new_revision_names_may_be_on_its_way_and_is_not_taken_back_before_a_pod_has_waited_for_it() -> None:
    soon = after_a_change(before={}, now=from_env("gone"), age=12)
    answer = consider(soon, ())
    assert isinstance(answer, Silent)
    assert "may be on its way" in answer.because
    assert answer.diagnosis is not None
    assert answer.diagnosis.cause == "ConfigMap gone does not exist"
    later = msgspec.structs.replace(soon, taken_at=soon.taken_at + timedelta(seconds=50))
    assert isinstance(consider(later, ()), Opinion)
    assert isinstance(consider(msgspec.structs.replace(soon, speed=20.0), ()), Opinion)


def test_who_does_not_wait_for_what_may_be_coming_is_given_the_command_that_takes_the_change_back() -> None:
    soon = after_a_change(before={}, now=from_env("gone"), age=12)
    answer = consider(soon, ())
    assert isinstance(answer, Silent)
    assert answer.diagnosis is not None
    assert answer.diagnosis.by_hand == ("kubectl -n shop rollout undo deployment/web --to-revision=1",)
    managed = msgspec.structs.replace(soon, subject=msgspec.structs.replace(soon.subject, manager="Argo CD"))
    answer = consider(managed, ())
    assert isinstance(answer, Silent)
    assert answer.diagnosis is not None
    assert answer.diagnosis.by_hand == ()


def test_where_no_pod_is_known_to_wait_for_it_the_oldest_that_is_not_ready_tells() -> None:
    for age, kind in ((12, Silent), (60, Opinion)):
        taken = after_a_change(before={}, now=from_env("gone"), age=age)
        elsewhere = tuple(msgspec.structs.replace(one, pod="web-0") for one in taken.health.findings)
        unnamed = msgspec.structs.replace(taken, health=msgspec.structs.replace(taken.health, findings=elsewhere))
        assert isinstance(consider(unnamed, ()), kind)


def test_a_pod_that_waits_for_something_else_says_nothing_of_how_long_it_has_been_missing() -> None:
    soon = after_a_change(before={}, now=from_env("gone"), age=12)
    new = soon.snapshot.replica_sets[1]
    starting = pod(waiting("ContainerCreating"), of=new, name="web-2", age=9000)
    both = msgspec.structs.replace(
        soon, snapshot=msgspec.structs.replace(soon.snapshot, pods=(*soon.snapshot.pods, starting))
    )
    assert isinstance(consider(both, ()), Silent)


def test_what_a_new_revision_mounts_is_taken_back_once_its_pod_has_waited_for_it() -> None:
    said, volume = (
        'MountVolume.SetUp failed for volume "cfg" : configmap "gone" not found',
        {"configMap": {"name": "gone"}},
    )
    for age, kind in ((12, Silent), (60, Opinion)):
        now = mounting(said, keyed("unlike"), **volume)
        (stuck,), old = now.snapshot.pods, replica_set(template(container()), number=1)
        stuck["metadata"]["creationTimestamp"] = stamp(age)
        pods = [stuck, pod(name="web-old", of=old, ready=True)]
        both = evidence(snapshot(now.snapshot.workload, [old, *now.snapshot.replica_sets], pods), objects=now.objects)
        taken = msgspec.structs.replace(both, events=now.events, health=now.health)
        assert isinstance(consider(taken, ()), kind)


def test_a_misspelt_name_is_corrected_however_short_its_pod_has_waited() -> None:
    now = from_env("mail-setings")
    taken = after_a_change(before={}, now=now, missing="mail-setings", age=2, there="mail-settings")
    answer = consider(taken, ())
    assert isinstance(answer, Opinion)
    assert isinstance(answer.proposal.action, tuple)


def test_a_name_that_may_be_no_slip_is_taken_back_with_its_change_before_anybody_is_asked_for_another() -> None:
    now = from_env("web-config")
    for age, kind in ((12, Silent), (60, Opinion)):
        answer = consider(after_a_change(before={}, now=now, missing="web-config", age=age, there="wbe-config"), ())
        assert isinstance(answer, kind)
        assert isinstance(answer, Silent) or isinstance(answer.proposal.action, RollBack)


def test_one_that_the_good_revision_has_too_would_fail_there_as_well() -> None:
    answer = consider(after_a_change(before=from_env("gone"), now={**from_env("gone"), "image": "nginx:1.28"}), ())
    assert isinstance(answer, Silent)


@pytest.mark.parametrize(
    ("asked", "there"),
    [
        ("tenant-a-config", "tenant-b-config"),
        ("settings-east", "settings-west"),
        ("cart-config", "card-config"),
        ("config-1", "config-2"),
    ],
)
def test_what_another_tenant_place_or_number_uses_is_never_meant(asked: str, there: str) -> None:
    taken = failing(f'configmap "{asked}" not found', listed={"ConfigMap": [keyed(there)]}, **from_env(asked))
    assert isinstance(consider(taken, ()), Silent)


@pytest.mark.parametrize(("asked", "there"), [("DB_HOST", "DB_PORT"), ("READ_URL", "LEAD_URL"), ("KEY_1", "KEY_2")])
def test_another_key_is_never_read_in_place_of_the_one_that_is_missing(asked: str, there: str) -> None:
    env = [{"name": "H", "valueFrom": {"configMapKeyRef": {"name": "mail", "key": asked}}}]
    message = f"couldn't find key {asked} in ConfigMap shop/mail"
    taken = failing(message, listed={"ConfigMap": [keyed("mail", there)]}, env=env)
    assert isinstance(consider(taken, ()), Silent)


def mounting(message: str, *there: Object, **volume: Any) -> Evidence:
    present = template(container(), volumes=[{"name": "cfg", **volume}])
    new = replica_set(present)
    stuck = pod(waiting("ContainerCreating"), of=new)
    taken = evidence(snapshot(deployment(present), [new], [stuck]), objects={"ConfigMap": there}, events=[message])
    events = tuple(msgspec.structs.replace(line, reason="FailedMount") for line in taken.events)
    found = Finding(Symptom.MOUNT_FAILING, message, "web-1")
    health = msgspec.structs.replace(taken.health, findings=(found,))
    return msgspec.structs.replace(taken, events=events, health=health)


def test_what_was_missing_and_has_come_since_is_left_as_it_is() -> None:
    message = 'MountVolume.SetUp failed for volume "cfg" : configmap "mail-settings" not found'
    there = [keyed("mail-settings"), keyed("mail-settngs")]
    answer = consider(mounting(message, *there, configMap={"name": "mail-settings"}), ())
    assert isinstance(answer, Silent)
    assert "is there by now" in answer.because


SOME_ITEMS = [{"key": "rules.yaml", "path": "rules.yaml"}, {"key": "limtis.yaml", "path": "limits.yaml"}]


@pytest.mark.parametrize(
    ("volume", "place"),
    [
        ({"configMap": {"name": "mail", "items": SOME_ITEMS}}, "configMap"),
        (
            {"projected": {"sources": [{"configMap": {"name": "mail", "items": SOME_ITEMS}}]}},
            "projected/sources/0/configMap",
        ),
    ],
    ids=["volume", "projected"],
)
def test_a_misspelt_key_of_a_volume_is_read_as_the_one_like_it(volume: Object, place: str) -> None:
    message = 'MountVolume.SetUp failed for volume "cfg" : configmap references non-existent config key: limtis.yaml'
    answer = consider(mounting(message, keyed("mail", "rules.yaml", "limits.yaml"), **volume), ())
    assert isinstance(answer, Opinion)
    path = f"/spec/template/spec/volumes[cfg]/{place}/items/1/key"
    assert answer.proposal.action == (SetField(path=path, expected="limtis.yaml", value="limits.yaml"),)


def test_a_key_of_another_volume_is_no_evidence() -> None:
    message = 'MountVolume.SetUp failed for volume "other" : configmap references non-existent config key: limtis.yaml'
    volume = {"configMap": {"name": "mail", "items": SOME_ITEMS}}
    assert isinstance(consider(mounting(message, keyed("mail", "limits.yaml"), **volume), ()), Silent)


def test_what_the_good_revision_asked_in_several_places_would_fail_there_as_well() -> None:
    def env(*keys: str) -> Object:
        return {"env": [{"name": k, "valueFrom": {"configMapKeyRef": {"name": "gone", "key": k}}} for k in keys]}

    assert isinstance(consider(after_a_change(before=env("A", "B"), now={**env("A"), "image": "nginx:2"}), ()), Silent)
