"""One request as the handlers see it, and the answer they give."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from simulator.apiserver import status_errors
from simulator.apiserver.authentication import Identity
from simulator.apiserver.field_errors import unsupported
from simulator.apiserver.kinds import Kind
from simulator.apiserver.objects import Object
from simulator.apiserver.paths import Target

JSON = "application/json"


@dataclass(frozen=True)
class Call:
    """A request to a resource. `content_type` comes without parameters."""

    target: Target
    user: str
    query: dict[str, str]
    accept: str = JSON
    content_type: str = ""
    body: bytes = b""
    user_agent: str = ""
    who: Identity = field(default_factory=lambda: Identity(""))
    verb: str = ""
    path: str = ""

    @property
    def kind(self) -> Kind:
        return self.target.kind

    @property
    def dry_run(self) -> bool:
        """Raises StatusError 422 for a dryRun that is not All."""
        asked = self.query.get("dryRun", "")
        if asked not in ("", "All"):
            options = Kind("meta.k8s.io", "v1", "CreateOptions", "createoptions")
            raise status_errors.invalid(options, "", [unsupported("dryRun", [asked], ("All",))])
        return asked == "All"


@dataclass(frozen=True)
class Answer:
    """What is sent back: a whole body, or chunks as they come."""

    body: bytes = b""
    code: int = 200
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    chunks: AsyncIterator[bytes] | None = None

    @classmethod
    def of(cls, value: Any, code: int = 200) -> "Answer":
        return cls(orjson.dumps(value), code)


def success(kind: Kind, name: str, *, uid: str = "", code: int = 200) -> Object:
    """The Status of something that worked and has no object to show."""
    details = {"name": name, "group": kind.group, "kind": kind.plural, "uid": uid}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {key: value for key, value in details.items() if value},
    } | ({"code": code} if code != 200 else {})
