"""Server-side apply: reading an applied configuration, and what is wrong with it.

A configuration is YAML or JSON, names its kind, carries no managedFields, and has no field that the schema does
not know. Merging it is `managed_fields`' part, storing it `handlers'`. Not done: conversion between versions of
one kind.
"""

from typing import Any

import yaml

from simulator.apiserver import status_errors
from simulator.apiserver.field_checks import check
from simulator.apiserver.field_types import type_of
from simulator.apiserver.field_walks import NotOfType
from simulator.apiserver.go_words import cannot_unmarshal, yaml_problem
from simulator.apiserver.kinds import Kind
from simulator.apiserver.managed_fields import UPDATE, ApplyConflict, FieldManager
from simulator.apiserver.objects import Object, metadata, name_of, namespace_of


def read_configuration(kind: Kind, body: bytes) -> Object:
    """The configuration of a request. Raises StatusError 400 or 500."""
    try:
        found: Any = yaml.safe_load(body)
    except yaml.YAMLError as error:
        text = f"error decoding YAML: error converting YAML to JSON: {yaml_problem(error)}"
        raise status_errors.bad_request(text) from error
    if found is None:
        found = {}
    if not isinstance(found, dict):
        problem = cannot_unmarshal(found, "value of type map[string]interface {}")
        text = f"error decoding YAML: error unmarshaling JSON: while decoding JSON: {problem}"
        raise status_errors.bad_request(text)
    _check_kind(kind, found)
    if "managedFields" in metadata(found):
        raise status_errors.bad_request("metadata.managedFields must be nil")
    try:
        check(found, type_of(kind))
    except NotOfType as error:
        place = f"{namespace_of(found)}/{name_of(found)}; {kind.group}/{kind.version}, Kind={kind.kind}"
        text = f"failed to create typed patch object ({place}): {error}"
        raise status_errors.StatusError(500, "", text) from error
    return found


def _check_kind(kind: Kind, found: Object) -> None:
    version = str(found.get("apiVersion") or "")
    if (version, found.get("kind")) == (kind.api_version, kind.kind):
        return
    shown = version if "/" in version else f"/{version}"  # an empty group stands there too
    raise status_errors.bad_request(f"invalid object type: {shown}, Kind={found.get('kind') or ''}")


def check_identity(kind: Kind, name: str, config: Object) -> None:
    """An object that is to be new has no uid yet. Raises StatusError 409."""
    uid = metadata(config).get("uid")
    if uid:
        why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
        raise status_errors.conflict(kind, name, why)


def refusal(error: ApplyConflict) -> status_errors.StatusError:
    """409 with one cause a field, in the words of `NewApplyConflict`."""
    told = [(_shown(manager), path) for manager, path in error.conflicts]
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {who}", "field": path} for who, path in told
    ]
    if len(told) == 1:
        text = f"Apply failed with 1 conflict: conflict with {told[0][0]}: {told[0][1]}"
    else:
        lines = []
        for who in sorted({who for who, _ in told}):
            lines += [f"conflicts with {who}:", *(f"- {path}" for other, path in told if other == who)]
        text = f"Apply failed with {len(told)} conflicts: " + "\n".join(lines)
    return status_errors.StatusError(409, "Conflict", text, details={"causes": causes})


def _shown(manager: FieldManager) -> str:
    name = f'"{manager.name}"'
    if manager.subresource:
        name += f' with subresource "{manager.subresource}"'
    return f"{name} using {manager.api_version}" if manager.operation == UPDATE else name
