"""Changes: whose spec it is by now."""

import msgspec

from incidents.objects import Uid
from incidents.snapshot import spec_digest
from tests.builders import change, deployment


def test_a_generation_that_is_still_ours_says_that_nobody_else_has_changed_the_spec() -> None:
    ours = change(generation=2, spec="another digest")
    assert not ours.overtaken(deployment(generation=2))
    assert ours.overtaken(deployment(generation=3))


def test_of_an_object_without_a_generation_the_spec_itself_is_compared() -> None:
    service = {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}}}
    ours = change(spec=spec_digest(service))
    assert not ours.overtaken(service)
    assert ours.overtaken({**service, "spec": {"selector": {"app": "other"}}})
    assert not msgspec.structs.replace(ours, generation=0).overtaken(service)


def test_a_change_that_made_an_object_anew_concerns_both_the_old_and_the_new_one() -> None:
    made = msgspec.structs.replace(change(), made=Uid("uid-new"))
    concerned = [made.concerns(Uid(uid)) for uid in (made.target.uid, "uid-new", "another", "")]
    assert concerned == [True, True, False, False]
    assert (made.object.uid, change().object) == ("uid-new", change().target)


def test_a_node_and_a_volume_are_nobodys_change_of_the_spec() -> None:
    assert spec_digest({"spec": {"nodeName": "n", "a": 1}}) == spec_digest({"spec": {"volumeName": "v", "a": 1}})
    assert spec_digest({"spec": {"a": 1}}) != spec_digest({"spec": {"a": 2}})
