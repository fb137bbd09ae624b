"""Which Secrets with certificates there are, and what of them an Ingress names and does not find.

Secrets are listed by the optional role alone: a reader that was not granted it makes no request, and knows of nothing
that is missing. Only namespaces in which an Ingress names a Secret are listed, once in the life of a ``Certificates``,
and without what holds no certificate and much else (the releases of Helm, the tokens of ServiceAccounts). No value is
ever decoded (``tools.cluster.listing``): what is known of a Secret is its name and the names of its keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from incidents.object_health import certificates_of
from incidents.objects import SECRET, TLS_KEYS
from tools.cluster.errors import Busy, Forbidden, Unauthorized, Unreachable
from tools.cluster.listing import TooMany, list_beside
from tools.cluster.reader import Reader

_HELD_ELSEWHERE = "type!=helm.sh/release.v1,type!=kubernetes.io/service-account-token"

Keys = Mapping[str, frozenset[str]]  # of each Secret, by its name


class Certificates:
    """What was listed, namespace by namespace; for one look at the cluster, which it does not outlive."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._listed: dict[str, Keys | None] = {}
        self._given_up = False
        self.refused = False
        """Whether Secrets may not be listed in a namespace that was asked about."""

    async def missing(self, ingress: dict[str, Any]) -> tuple[str, ...]:
        """What an Ingress names and is not there: ``Secret/NAME``, and ``Secret/NAME/KEY`` of one that lacks a key.

        Nothing where that may not be read or is more than is read, and of a namespace whose list has failed before.
        Raises ClusterError: also a server that has lost a key of encryption, which spoils the list of a namespace, has
        not said that all is there.
        """
        names = certificates_of(ingress)
        if not names or not self._reader.secret_keys:
            return ()
        try:
            there = await self._of(ingress["metadata"]["namespace"])
        except (Busy, Unreachable, Unauthorized):
            self._given_up = True  # a server that cannot answer now is not asked for the next namespace either
            raise
        if there is None:
            return ()
        found = [f"{SECRET.kind}/{name}" for name in names if name not in there]
        lacking = [(name, key) for name in names if name in there for key in TLS_KEYS if key not in there[name]]
        return (*found, *(f"{SECRET.kind}/{name}/{key}" for name, key in lacking))

    async def _of(self, namespace: str) -> Keys | None:
        if namespace in self._listed or self._given_up:
            return self._listed.get(namespace)
        self._listed[namespace] = None  # what fails is not tried again for each Ingress
        try:
            items = await list_beside(self._reader, SECRET, namespace, fields=_HELD_ELSEWHERE)
        except Forbidden:
            self.refused = True
            return None
        except TooMany:
            return None
        found = {item["metadata"]["name"]: frozenset(item["data"]) for item in items}
        self._listed[namespace] = found
        return found
