"""Configurations of admission webhooks (`pkg/apis/admissionregistration`, Kubernetes v1.36)."""

from collections.abc import Iterator

from simulator.apiserver.field_errors import FieldError, invalid_value, required
from simulator.apiserver.names import is_subdomain
from simulator.apiserver.objects import Object, at
from simulator.apiserver.strategies.forms import label_selector, one_of
from simulator.apiserver.strategies.plain import content_generation
from simulator.apiserver.strategies.strategy import Strategy

_SIDE_EFFECTS = ("None", "NoneOnDryRun")
_URL_FORM = "desired format: https://host[/path]"
_RULE_LISTS = ("operations", "apiGroups", "apiVersions", "resources")


def _default(obj: Object) -> None:
    for hook in obj.get("webhooks") or ():
        hook.setdefault("failurePolicy", "Fail")
        hook.setdefault("matchPolicy", "Equivalent")
        hook.setdefault("namespaceSelector", {})
        hook.setdefault("objectSelector", {})
        hook.setdefault("timeoutSeconds", 10)
        if obj.get("kind") == "MutatingWebhookConfiguration":
            hook.setdefault("reinvocationPolicy", "Never")
        for rule in hook.get("rules") or ():
            rule.setdefault("scope", "*")
        if isinstance(at(hook, "clientConfig.service"), dict):
            hook["clientConfig"]["service"].setdefault("port", 443)


def _validate(obj: Object) -> Iterator[FieldError]:
    for index, hook in enumerate(obj.get("webhooks") or ()):
        yield from _hook(hook, f"webhooks[{index}]")


def _hook(hook: Object, where: str) -> Iterator[FieldError]:
    name, effects = str(hook.get("name") or ""), hook.get("sideEffects")
    if not is_subdomain(name) or name.count(".") < 2:
        yield invalid_value(f"{where}.name", name, "should be a domain with at least three segments separated by dots")
    for index, rule in enumerate(hook.get("rules") or ()):
        yield from (required(f"{where}.rules[{index}].{field}") for field in _RULE_LISTS if not rule.get(field))
    yield from one_of(hook["failurePolicy"], f"{where}.failurePolicy", ("Fail", "Ignore"))
    yield from one_of(hook["matchPolicy"], f"{where}.matchPolicy", ("Equivalent", "Exact"))
    if effects is None:
        yield required(f"{where}.sideEffects", f"must specify one of {', '.join(_SIDE_EFFECTS)}")
    yield from one_of(effects, f"{where}.sideEffects", _SIDE_EFFECTS)
    if not 1 <= hook["timeoutSeconds"] <= 30:
        why = "the timeout value must be between 1 and 30 seconds"
        yield invalid_value(f"{where}.timeoutSeconds", hook["timeoutSeconds"], why)
    for field in ("namespaceSelector", "objectSelector"):
        yield from label_selector(hook.get(field), f"{where}.{field}")
    yield from _client(hook.get("clientConfig") or {}, f"{where}.clientConfig")
    if not hook.get("admissionReviewVersions"):
        yield required(f"{where}.admissionReviewVersions", "must specify one of v1, v1beta1")


def _client(config: Object, where: str) -> Iterator[FieldError]:
    url, service = config.get("url"), config.get("service")
    if (url is None) == (service is None):
        yield required(where, "exactly one of url or service is required")
        return
    if url is not None:
        scheme = url.partition("://")[0]
        if scheme != "https":
            yield invalid_value(f"{where}.url", scheme, f"'https' is the only allowed URL scheme; {_URL_FORM}")
    elif service is not None:
        yield from (required(f"{where}.service.{field}") for field in ("name", "namespace") if not service.get(field))


WEBHOOKS = Strategy(default=_default, validate=_validate, generation=content_generation)
