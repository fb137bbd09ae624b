"""Any Deployment, any edit of it that a proposal may make, and a server that applies patches as the API server does."""

from collections.abc import Iterable, Sequence
from copy import deepcopy
from datetime import timedelta
from typing import Any

import jsonpatch
from hypothesis import strategies as st

from incidents.changes import LeafChange, Operation
from incidents.objects import ChangeId, reference
from incidents.pointers import ABSENT, parts_of, value_at
from incidents.proposals import SetField
from remediation.seal import Unsealable, seal
from tests.builders import NOW, deployment, proposal

Object = dict[str, Any]
UNTIL = NOW + timedelta(minutes=10)
SPEC = "/spec/template/spec"

NAMES = st.lists(st.sampled_from(["web", "log", "db"]), unique=True, min_size=1)
VARIABLES = st.lists(st.sampled_from(["A", "B_C", "D.e"]), unique=True).flatmap(
    lambda names: st.tuples(
        *(st.fixed_dictionaries({"name": st.just(name), "value": st.text("x0~/", max_size=2)}) for name in names)
    ).map(list)
)
SIZES = st.sampled_from(["64Mi", "1024Mi", "1Gi", "100m", "0.5"])
LABELS = st.dictionaries(st.sampled_from(["app", "a/b", "a~b"]), st.sampled_from(["", "x", "y"]), max_size=2)


def _container(name: str) -> st.SearchStrategy[Object]:
    return st.fixed_dictionaries(
        {"name": st.just(name), "image": st.sampled_from(["nginx:1.27", "redis:7"])},
        optional={
            "env": VARIABLES,
            "command": st.lists(st.sampled_from(["sh", "-c", "run"]), max_size=2),
            "resources": st.fixed_dictionaries({}, optional={"limits": st.fixed_dictionaries({"memory": SIZES})}),
            "readinessProbe": st.fixed_dictionaries({"httpGet": st.fixed_dictionaries({"port": st.integers(80, 82)})}),
        },
    )


@st.composite
def workloads(draw: st.DrawFn) -> Object:
    """A Deployment as a server holds it: defaulted, its quantities in their canonical form."""
    spec: Object = {"containers": [draw(_container(name)) for name in draw(NAMES)]}
    if draw(st.booleans()):
        spec["volumes"] = [{"name": name, "emptyDir": {}} for name in draw(NAMES)]
    if draw(st.booleans()):
        spec["nodeSelector"] = draw(LABELS)
    live = deployment({"metadata": {"labels": {"app": "web"}}, "spec": spec}, annotations=draw(LABELS))
    if not live["metadata"]["annotations"] and draw(st.booleans()):
        del live["metadata"]["annotations"]
    return defaulted(live)


@st.composite
def edits(draw: st.DrawFn, live: Object) -> SetField:
    """One edit that a proposal may make: of a field that is there or not, and of a named item."""
    name = draw(st.sampled_from([one["name"] for one in live["spec"]["template"]["spec"]["containers"]]))
    inside = f"{SPEC}/containers[{name}]"
    variable = draw(st.sampled_from(["A", "B_C"]))
    path, value = draw(
        st.sampled_from(
            [
                (f"{inside}/image", "nginx:1.28"),
                (f"{inside}/resources/limits/memory", "2048Mi"),
                (f"{inside}/resources/limits/cpu", "1000m"),
                (f"{inside}/readinessProbe/httpGet/port", 8080),
                (f"{inside}/command", ["run", "--fast"]),
                (f"{inside}/command", None),
                (f"{inside}/env[{variable}]", {"name": variable, "value": "new"}),
                (f"{inside}/env[{variable}]", None),
                (f"{SPEC}/volumes[web]", {"name": "web", "emptyDir": {"sizeLimit": "1024Mi"}}),
                (f"{SPEC}/volumes[log]", None),
                (f"{SPEC}/nodeSelector/a~1b", "z"),
                (f"{SPEC}/nodeSelector/app", None),
                ("/spec/replicas", 3),
            ]
        )
    )
    return SetField(path=path, expected=standing(live, path), value=value)


def standing(live: Object, path: str) -> Any:
    """What stands at a field path, found without the code under test; None for nothing."""
    found: Any = live
    for part in path.split("/")[1:]:
        field, _, name = part.partition("[")
        field = field.replace("~1", "/").replace("~0", "~")
        found = found.get(field) if isinstance(found, dict) else None
        if name:
            found = next((one for one in found or () if one["name"] == name[:-1]), None)
    return found


def place(live: Object, path: str) -> str:
    """The pointer of a field path; of the list where the path ends with a named item of it."""
    containers = live["spec"]["template"]["spec"]["containers"]
    for index, container in enumerate(containers):
        path = path.replace(f"/containers[{container['name']}]/", f"/containers/{index}/")
    return path.partition("[")[0]


def sealed(live: Object, *asked: SetField, id_: str = "change-1") -> Sequence[Operation] | None:
    """The sealed patch of some edits; None where they do not fit, which is refused before anything is sent."""
    try:
        made = proposal(*asked, target=reference(live))
        return seal(made, live, change=ChangeId(id_), until=UNTIL)
    except Unsealable:
        return None


def served(operations: Iterable[Operation], document: Object) -> Object:
    """What a server makes of a patch. Raises JsonPatchTestFailed: a test for null passes only where nothing stands."""
    document = deepcopy(document)
    for operation in operations:
        if operation["op"] == "test" and operation["value"] is None:
            if value_at(document, parts_of(operation["path"])) is not ABSENT:
                raise jsonpatch.JsonPatchTestFailed(operation["path"])
        else:
            document = jsonpatch.JsonPatch([operation]).apply(document)
    return document


def defaulted(document: Object, *, injected: bool = False) -> Object:
    """A server's own form: defaults, canonical quantities, and what a webhook injects."""
    document = deepcopy(document)
    spec = document["spec"]["template"]["spec"]
    for container in spec["containers"]:
        container.setdefault("imagePullPolicy", "IfNotPresent")
        limits = (container.get("resources") or {}).get("limits") or {}
        for name, amount in limits.items():
            limits[name] = {"1024Mi": "1Gi", "2048Mi": "2Gi", "1000m": "1", "0.5": "500m"}.get(amount, amount)
    for volume in spec.get("volumes") or ():
        if volume.get("emptyDir", {}).get("sizeLimit") == "1024Mi":
            volume["emptyDir"]["sizeLimit"] = "1Gi"
    if injected:
        document["spec"]["template"]["metadata"]["labels"]["injected"] = "yes"
        spec["containers"].append({"name": "injected", "image": "proxy:1", "imagePullPolicy": "Always"})
    return document


def whole(document: Object) -> Object:
    """An object to compare with: that it has no annotations is the same as an empty set of them."""
    document = deepcopy(document)
    if not document["metadata"].get("annotations"):
        document["metadata"].pop("annotations", None)
    return document


def touched(diff: Iterable[LeafChange]) -> set[str]:
    """The pointers of a difference."""
    return {leaf.pointer for leaf in diff}
