"""Every refusal of the API server, as the `Status` object that clients switch on.

One exception type carries code, reason, message and details; the functions below are the constructors
of k8s.io/apimachinery `api/errors`, with its words. Nothing else in this package writes a Status by
hand.
"""

from collections.abc import Iterable
from typing import Any

from simulator.apiserver.field_errors import FieldError
from simulator.apiserver.kinds import Kind


class StatusError(Exception):
    """A request that failed. `headers` are sent with it (Retry-After, say), `metadata` is the Status' own."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        metadata: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.headers = headers or {}
        self.metadata = metadata or {}

    def body(self) -> dict[str, Any]:
        """The Status object."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata,
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        return status | {"code": self.code}


class NoSuchPath(StatusError):
    """404 of a path that belongs to no group at all; the real server answers it in plain text."""

    text = "404 page not found\n"

    def __init__(self) -> None:
        super().__init__(404, "NotFound", self.text.strip(), details={})


def _about(kind: Kind, name: str, *, kind_word: str | None = None) -> dict[str, Any]:
    details = {"name": name, "group": kind.group, "kind": kind_word or kind.plural}
    return {key: value for key, value in details.items() if value}


def unauthorized() -> StatusError:
    return StatusError(401, "Unauthorized", "Unauthorized")


def bad_request(message: str) -> StatusError:
    return StatusError(400, "BadRequest", message)


def forbidden(kind: Kind, name: str, why: str, *, causes: list[dict[str, str]] | None = None) -> StatusError:
    message = f'{kind.qualified} "{name}" is forbidden: {why}'
    details = _about(kind, name) | ({"causes": causes} if causes else {})
    return StatusError(403, "Forbidden", message, details=details)


def not_found(kind: Kind, name: str) -> StatusError:
    return StatusError(404, "NotFound", f'{kind.qualified} "{name}" not found', details=_about(kind, name))


def no_such_resource() -> StatusError:
    return StatusError(404, "NotFound", "the server could not find the requested resource", details={})


def method_not_allowed() -> StatusError:
    message = "the server does not allow this method on the requested resource"
    return StatusError(405, "MethodNotAllowed", message, details={})


def already_exists(kind: Kind, name: str, *, leaving: bool = False) -> StatusError:
    """409; `leaving` says that the standing object is being deleted."""
    message = f'{"object is being deleted: " if leaving else ""}{kind.qualified} "{name}" already exists'
    return StatusError(409, "AlreadyExists", message, details=_about(kind, name))


def conflict(kind: Kind, name: str, why: str, *, subresource: str = "") -> StatusError:
    resource = f"{kind.qualified}/{subresource}" if subresource else kind.qualified
    message = f'Operation cannot be fulfilled on {resource} "{name}": {why}'
    word = f"{kind.plural}/{subresource}" if subresource else kind.plural
    return StatusError(409, "Conflict", message, details=_about(kind, name, kind_word=word))


def precondition_failed(kind: Kind, name: str, why: str) -> StatusError:
    """409 of a deletion whose preconditions do not hold; it names the kind, not the resource."""
    message = f'Operation cannot be fulfilled on {_qualified_kind(kind)} "{name}": {why}'
    return StatusError(409, "Conflict", message, details=_about(kind, name, kind_word=kind.kind))


def modified(kind: Kind, name: str) -> StatusError:
    """409: somebody else has written the object since the version that the request names."""
    why = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(kind, name, why)


def expired(message: str, *, token: str = "") -> StatusError:
    """410: the version or continue token is older than what the server remembers; `token` goes on all the same."""
    return StatusError(410, "Expired", message, metadata={"continue": token} if token else {})


def version_on_create() -> StatusError:
    """500: storage refuses a new object that says which version it is."""
    return StatusError(500, "", "resourceVersion should not be set on objects to be created")


def unsupported_media_type(accepted: Iterable[str]) -> StatusError:
    message = "the body of the request was in an unknown format - accepted media types include: "
    return StatusError(415, "UnsupportedMediaType", message + ", ".join(accepted))


def invalid(kind: Kind, name: str, errors: Iterable[FieldError]) -> StatusError:
    """422 with one cause a field."""
    found, kind = list(errors), kind.stored
    texts = list(dict.fromkeys(str(error) for error in found))
    listed = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    causes = [{"reason": one.reason, "message": one.message, "field": one.field} for one in found]
    details = _about(kind, name, kind_word=kind.kind) | {"causes": causes}
    message = f'{_qualified_kind(kind)} "{name}" is invalid: {listed}'
    return StatusError(422, "Invalid", message, details=details)


def _qualified_kind(kind: Kind) -> str:
    return f"{kind.kind}.{kind.group}" if kind.group else kind.kind


def unprocessable_patch() -> StatusError:
    """422: a JSON Patch that cannot be applied. The real server says no more than this either."""
    message = "the server rejected our request due to an error in our request"
    return StatusError(422, "Invalid", message, details={})


def too_large(limit_bytes: int) -> StatusError:
    return StatusError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {limit_bytes}")


def internal(message: str) -> StatusError:
    details = {"causes": [{"message": message}]}
    return StatusError(500, "InternalError", f"Internal error occurred: {message}", details=details)


def version_too_large(asked: int, current: int) -> StatusError:
    """504: the client names a version that does not exist yet."""
    text = f"Too large resource version: {asked}, current: {current}"
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    details = {"causes": [cause], "retryAfterSeconds": 1}
    return StatusError(504, "Timeout", f"Timeout: {text}", details=details, headers={"Retry-After": "1"})
