"""A sealed patch fits one object as it is, and its inverse gives exactly that object back."""

from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest

from incidents.changes import CHANGE_ANNOTATION, UNTIL_ANNOTATION
from incidents.objects import ChangeId, Uid, reference
from incidents.patch import leaf_diff, meaningful
from incidents.proposals import Proposal, RollBack, SetField
from incidents.snapshot import template_digest
from remediation.seal import Unsealable, invert, seal
from tests.builders import IMAGE_PATH, MEMORY_PATH, NOW, container, deployment, proposal, replica_set, template
from tests.remediation.conftest import Bench
from tools.cluster.errors import Invalid

ID = ChangeId("change-1")
UNTIL = NOW + timedelta(minutes=10)
IMAGE = SetField(path=IMAGE_PATH, expected="nginx:1.27", value="nginx:1.28")
Object = dict[str, Any]


def sealed(live: Object, *edits: SetField, action: RollBack | None = None, **options: Any) -> list[Object]:
    asked = proposal(*edits, action=action, target=reference(live))
    return list(seal(asked, live, change=ID, until=UNTIL, **options))


class TestWhatIsTested:
    """The operations themselves."""

    def test_uid_container_name_old_value_and_marks_are_tested(self) -> None:
        assert sealed(deployment(annotations={"team": "shop"}), IMAGE) == [
            {"op": "test", "path": "/metadata/uid", "value": "uid-web"},
            {"op": "test", "path": "/spec/template/spec/containers/0/name", "value": "web"},
            {"op": "test", "path": "/spec/template/spec/containers/0/image", "value": "nginx:1.27"},
            {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "nginx:1.28"},
            {"op": "test", "path": "/metadata/annotations/k8s-auto-fixer~1change", "value": None},
            {"op": "add", "path": "/metadata/annotations/k8s-auto-fixer~1change", "value": "change-1"},
            {"op": "test", "path": "/metadata/annotations/k8s-auto-fixer~1until", "value": None},
            {"op": "add", "path": "/metadata/annotations/k8s-auto-fixer~1until", "value": UNTIL.isoformat()},
        ]

    def test_the_container_is_found_by_name_wherever_it_stands(self) -> None:
        live = deployment(template(container("side", "redis:7"), container()))
        paths = [op["path"] for op in sealed(live, IMAGE)]
        assert "/spec/template/spec/containers/1/name" in paths
        assert "/spec/template/spec/containers/1/image" in paths

    def test_absence_is_tested_at_the_first_missing_path(self) -> None:
        operations = sealed(deployment(), SetField(path=MEMORY_PATH, expected=None, value="64Mi"))
        resources = "/spec/template/spec/containers/0/resources"
        assert {"op": "test", "path": resources, "value": None} in operations
        assert {"op": "add", "path": resources, "value": {"limits": {"memory": "64Mi"}}} in operations

    def test_earlier_marks_are_tested_with_their_values(self) -> None:
        live = deployment(annotations={CHANGE_ANNOTATION: "change-0", UNTIL_ANNOTATION: "then"})
        operations = sealed(live, IMAGE)
        assert {"op": "test", "path": "/metadata/annotations/k8s-auto-fixer~1change", "value": "change-0"} in operations

    def test_the_resource_version_is_never_tested(self) -> None:
        assert not any("resourceVersion" in op["path"] for op in sealed(deployment(), IMAGE))


class TestWhatIsNotSealed:
    """Proposals that do not fit the object as it is."""

    @pytest.mark.parametrize(
        "edit",
        [
            SetField(path=IMAGE_PATH, expected="nginx:1.0", value="nginx:1.28"),
            SetField(path=IMAGE_PATH, expected=None, value="nginx:1.28"),
            SetField(path=MEMORY_PATH, expected="64Mi", value="128Mi"),
            SetField(path=IMAGE_PATH, expected="nginx:1.27", value="nginx:1.27"),
            SetField(path="/spec/template/spec/containers[gone]/image", expected=None, value="x"),
            SetField(path="/spec/template/spec/containers/0/image", expected="nginx:1.27", value="x"),
            SetField(path="/spec/paused/deeper", expected=None, value=True),
        ],
        ids=str,
    )
    def test_what_has_changed_since_or_does_not_exist_is_refused(self, edit: SetField) -> None:
        with pytest.raises(Unsealable):
            sealed(deployment(paused=False), edit)

    def test_another_object_of_the_same_name_is_refused(self) -> None:
        other = deployment()
        other["metadata"]["uid"] = "another"
        with pytest.raises(Unsealable, match="another one"):
            seal(proposal(IMAGE), other, change=ID, until=UNTIL)

    def test_a_revision_that_is_gone_or_is_another_by_now_is_refused(self) -> None:
        old = replica_set(template(container(image="nginx:1.0")), number=1)
        action = RollBack(replica_set="web-h1", digest="another")
        with pytest.raises(Unsealable, match="does not carry"):
            sealed(deployment(), action=action, replica_sets=[old])
        with pytest.raises(Unsealable, match="is gone"):
            sealed(deployment(), action=action)


async def changed(bench: Bench, asked: Proposal, **options: Any) -> tuple[Object, Object, list[Object]]:
    """Seal, dry run, invert and apply; the object before and after, and the way back."""
    before = await bench.live()
    patch = seal(asked, before, change=ID, until=UNTIL, **options)
    dry = await bench.writer.dry_run(asked.target, patch, change=ID)
    inverse = invert(before, dry, leaf_diff(before, dry))
    return before, await bench.writer.apply(asked.target, patch, change=ID), list(inverse.operations)


def same(one: Object, other: Object) -> bool:
    """Equal in everything but what the server itself counts on."""
    return meaningful(one) == meaningful(other) and annotations(one) == annotations(other)


def annotations(body: Object) -> Object:
    return body["metadata"].get("annotations") or {}


class TestOnAServer:
    """Patches and inverses as the API server takes them."""

    @pytest.mark.parametrize("marks", [{}, {"team": "shop"}], ids=["no annotations", "annotations"])
    async def test_a_dry_run_changes_nothing_and_the_patch_does(self, bench: Bench, marks: dict[str, str]) -> None:
        created = await bench.create(deployment(annotations=marks))
        before, after, back = await changed(bench, proposal(IMAGE, target=reference(created)))
        assert before == created
        assert after["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:1.28"
        assert annotations(after) == {**marks, CHANGE_ANNOTATION: ID, UNTIL_ANNOTATION: UNTIL.isoformat()}
        assert same(await bench.edit(*back), before)

    @pytest.mark.parametrize(
        "operation",
        [
            {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "nginx:9"},
            {"op": "replace", "path": "/spec/template/spec/containers/0/name", "value": "other"},
            {"op": "add", "path": "/metadata/annotations", "value": {CHANGE_ANNOTATION: "theirs"}},
        ],
        ids=str,
    )
    async def test_an_object_that_has_moved_on_refuses_the_whole_patch(self, bench: Bench, operation: Object) -> None:
        created = await bench.create(deployment())
        asked = proposal(IMAGE, target=reference(created))
        patch = seal(asked, created, change=ID, until=UNTIL)
        moved = await bench.edit(operation)
        with pytest.raises(Invalid) as refused:
            await bench.writer.apply(asked.target, patch, change=ID)
        assert refused.value.code == 422
        assert await bench.live() == moved

    async def test_an_object_made_anew_under_the_name_refuses_it(self, bench: Bench) -> None:
        created = await bench.create(deployment())
        other = deepcopy(created)
        other["metadata"]["uid"] = Uid("another")
        patch = seal(proposal(IMAGE, target=reference(other)), other, change=ID, until=UNTIL)
        with pytest.raises(Invalid):
            await bench.writer.apply(reference(created), patch, change=ID)

    async def test_a_status_update_meanwhile_does_not_matter(self, bench: Bench) -> None:
        created = await bench.create(deployment())
        patch = seal(proposal(IMAGE, target=reference(created)), created, change=ID, until=UNTIL)
        await bench.edit({"op": "add", "path": "/metadata/labels", "value": {"moved": "yes"}})
        after = await bench.writer.apply(reference(created), patch, change=ID)
        assert after["metadata"]["labels"] == {"moved": "yes"}

    async def test_the_inverse_tests_quantities_as_the_server_stores_them(self, bench: Bench) -> None:
        limits = container(resources={"limits": {"memory": "512Mi"}})
        created = await bench.create(deployment(template(limits)))
        edit = SetField(path=MEMORY_PATH, expected="512Mi", value="1024Mi")
        before, after, back = await changed(bench, proposal(edit, target=reference(created)))
        memory = "/spec/template/spec/containers/0/resources/limits/memory"
        assert {"op": "test", "path": memory, "value": "1Gi"} in back
        assert after["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"] == "1Gi"
        assert same(await bench.edit(*back), before)

    async def test_a_field_that_was_added_is_taken_away_again(self, bench: Bench) -> None:
        created = await bench.create(deployment())
        edit = SetField(path=MEMORY_PATH, expected=None, value="64Mi")
        before, _, back = await changed(bench, proposal(edit, target=reference(created)))
        assert same(await bench.edit(*back), before)

    async def test_a_field_that_was_removed_is_put_back(self, bench: Bench) -> None:
        web = container(resources={"limits": {"memory": "64Mi"}})
        created = await bench.create(deployment(template(web)))
        edit = SetField(path=MEMORY_PATH, expected="64Mi", value=None)
        before, _, back = await changed(bench, proposal(edit, target=reference(created)))
        assert same(await bench.edit(*back), before)

    @pytest.mark.parametrize(
        "old",
        [
            template(container(image="nginx:1.0", env=[{"name": "A", "value": "1"}])),
            template(container("web", "nginx:1.0"), container("side", "redis:7")),
            template(container("other", "nginx:1.0"), nodeSelector={"disk": "ssd"}),
        ],
        ids=["fields", "one container more", "another container"],
    )
    async def test_a_whole_template_goes_there_and_exactly_back(self, bench: Bench, old: Object) -> None:
        created = await bench.create(deployment(template(container(env=[{"name": "B", "value": "2"}]))))
        revision = await bench.revision(created, old, number=1)
        action = RollBack(replica_set="web-h1", digest=template_digest(revision["spec"]["template"]))
        asked = proposal(action=action, target=reference(created))
        before, after, back = await changed(bench, asked, replica_sets=[revision])
        assert template_digest(after["spec"]["template"]) == action.digest
        assert same(await bench.edit(*back), before)

    async def test_three_changes_on_top_of_each_other_lead_back_in_reverse(self, bench: Bench) -> None:
        web = container(resources={"limits": {"memory": "128Mi"}})
        original = await bench.create(deployment(template(web), annotations={"team": "shop"}))
        ways_back = []
        for old, new in (("128Mi", "256Mi"), ("256Mi", "512Mi"), ("512Mi", "1024Mi")):
            edit = SetField(path=MEMORY_PATH, expected=old, value=new)
            _, _, back = await changed(bench, proposal(edit, target=reference(original)))
            ways_back.append(back)
        with pytest.raises(Invalid):
            await bench.edit(*ways_back[0])
        for back in reversed(ways_back):
            restored = await bench.edit(*back)
        assert same(restored, original)
