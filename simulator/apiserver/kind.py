"""What the server knows about one kind of object."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import orjson

from simulator.apiserver import columns as table
from simulator.apiserver.objects import Object
from simulator.apiserver.schema import Reading
from simulator.apiserver.strategies.strategy import Strategy

EVERY_VERB = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


class OwnSchema(Protocol):
    """The schema of a custom resource; built-in kinds have theirs in `schema`."""

    def read(self, found: Object, reading: Reading) -> Object:
        """The object as it is kept: pruned, with its defaults."""


@dataclass(frozen=True)
class OtherForm:
    """How a kind that is stored as another one is converted; both functions leave what they are given as it is."""

    stored: "Kind"
    to_stored: Callable[[Object], Object]
    of_stored: Callable[[Object], Object]


@dataclass(frozen=True)
class Kind:
    """One kind of object.

    `field_labels` maps what a field selector may name, beyond metadata.name and metadata.namespace, to where it stands.
    `returns_deleted` answers a finished deletion with the object rather than a Status, as the real server does for some
    kinds. `orphans_dependents` is what a deletion without a propagation policy does; `deletion_finalizer` is put
    on every object that is to be deleted. `virtual` kinds are questions: they are created, answered and not stored.
    `custom` is the schema of a kind that a CustomResourceDefinition has made, `scale_paths` where such a kind keeps
    what its scale subresource shows. `form_of` says that the objects are those of another kind in another form.
    """

    group: str
    version: str
    kind: str
    plural: str
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    namespaced: bool = True
    subresources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = EVERY_VERB
    strategy: Strategy = field(default_factory=Strategy)
    columns: tuple[table.Column, ...] = table.GENERIC
    field_labels: Mapping[str, str] = field(default_factory=dict)
    name_form: str = "subdomain"
    returns_deleted: bool = False
    graceful: bool = False
    create_on_update: bool = False
    unconditional_update: bool = True
    virtual: bool = False
    custom: OwnSchema | None = None
    orphans_dependents: bool = False
    deletion_finalizer: str = ""
    scale_paths: Mapping[str, Any] = field(default_factory=dict)
    singular_name: str = ""
    form_of: OtherForm | None = None

    def kept(self, obj: Object) -> Object:
        """An object of this kind in the form in which it is stored."""
        return obj if self.form_of is None else self.form_of.to_stored(obj)

    def shown(self, stored: Object) -> Object:
        """A stored object in the form of this kind."""
        return stored if self.form_of is None else self.form_of.of_stored(stored)

    @property
    def stored(self) -> "Kind":
        """The kind that the objects are stored as."""
        return self if self.form_of is None else self.form_of.stored

    @property
    def singular(self) -> str:
        return self.singular_name or self.kind.lower()

    @cached_property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def key(self) -> tuple[str, str]:
        """Names what is stored; forms of one kind have the same."""
        return self.stored.group, self.plural

    @property
    def qualified(self) -> str:
        """As error messages name the resource: `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @cached_property
    def json_prefix(self) -> bytes:
        """The opening of an encoded object, up to its first own field."""
        return b'{"kind":%b,"apiVersion":%b,' % (orjson.dumps(self.kind), orjson.dumps(self.api_version))

    @property
    def selectable(self) -> dict[str, str]:
        """Field labels to paths."""
        common = {"metadata.name": "metadata.name", "metadata.namespace": "metadata.namespace"}
        return common | dict(self.field_labels)
