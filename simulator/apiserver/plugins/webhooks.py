"""Admission webhooks that nobody can be asked at: a Service that is not there, or that has nobody behind it.

After k8s.io/apiserver/pkg/admission/plugin/webhook (generic, predicates) and pkg/util/webhook/serviceresolver.go. A
webhook that could be reached is not called: what it would say is not known here. One whose `failurePolicy` is Ignore
is left out.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from simulator.apiserver.objects import Object, at, items_at, metadata, name_of, namespace_of
from simulator.apiserver.selectors import LabelSelector

_SERVICE = "kubernetes.io/service-name"


@dataclass(frozen=True)
class Write:
    """What is written: the resource, how, and the labels that a webhook chooses by."""

    group: str
    version: str
    plural: str
    operation: str
    namespace_labels: Mapping[str, str]
    labels: Mapping[str, str]


def unanswered(
    write: Write, configurations: Iterable[Object], services: Iterable[Object], slices: Iterable[Object]
) -> str | None:
    """The API server's complaint about the first webhook that has to be asked and cannot be; None without one."""
    asked = [webhook for one in configurations for webhook in items_at(one, "webhooks") if _is_asked(webhook, write)]
    if not asked:
        return None
    there = {(namespace_of(one), name_of(one)) for one in services}
    behind = set(_reached(slices))
    for webhook in asked:
        service = at(webhook, "clientConfig.service")
        if not service:
            continue
        name, space = str(service["name"]), str(service["namespace"])
        if (space, name) not in there:
            why = f'service "{name}" not found'
        elif (space, name) not in behind:
            why = f'no endpoints available for service "{name}"'
        else:
            continue
        address = f"https://{name}.{space}.svc:{service.get('port', 443)}{service.get('path', '/')}"
        seconds = webhook.get("timeoutSeconds", 10)
        called = f'failed to call webhook: Post "{address}?timeout={seconds}s": {why}'
        return f'failed calling webhook "{webhook["name"]}": {called}'
    return None


def _is_asked(webhook: Object, write: Write) -> bool:
    if webhook.get("failurePolicy") == "Ignore" or not any(_covers(rule, write) for rule in items_at(webhook, "rules")):
        return False
    spaces, objects = (LabelSelector.of_object(webhook.get(f"{of}Selector") or {}) for of in ("namespace", "object"))
    return spaces.matches(write.namespace_labels) and objects.matches(write.labels)


def _covers(rule: Object, write: Write) -> bool:
    wanted = (
        ("apiGroups", write.group), ("apiVersions", write.version),
        ("resources", write.plural), ("operations", write.operation),
    )  # fmt: skip
    return all({"*", said} & set(rule.get(field) or ()) for field, said in wanted)


def _reached(slices: Iterable[Object]) -> Iterator[tuple[str, str]]:
    """Services, by namespace and name, with somebody ready behind them."""
    for one in slices:
        name = (metadata(one).get("labels") or {}).get(_SERVICE)
        if name and any(at(endpoint, "conditions.ready") is not False for endpoint in items_at(one, "endpoints")):
            yield namespace_of(one), str(name)
