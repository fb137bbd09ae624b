"""The settings: from a file, the environment and the command line, checked once, frozen, and passed in from then on.

Each is stronger than the one before. Variables start with ``K8S_AUTO_FIXER_``; keys of other services keep the
names their own tools use, and stand in the environment alone: a settings file is no place for a secret.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticUndefined, to_jsonable_python
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from app.settings_told import PREFIX as PREFIX
from app.settings_told import nearest, not_json, plain, told, unknown_variable
from incidents.policy import Mode

_SECRETS = ("openai_api_key", "model_api_key", "tavily_api_key", "slack_webhook_url")
_CONFIG = f"{PREFIX}CONFIG"
_NAMESPACE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_ADDRESS = re.compile(r"[^\s/]*:[0-9]{1,5}")


class SettingsError(ValueError):
    """A setting that cannot be used; the text names it and the remedy."""


def default_store() -> Path:
    """Where state is kept unless it is said otherwise: the user's state folder."""
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "k8s-auto-fixer" / "store.sqlite"


class _SettingsFile(InitSettingsSource):
    """A YAML file of settings by name. A name it does not know, or a secret, is refused rather than ignored."""

    def __init__(self, settings_cls: type[BaseSettings], path: Path) -> None:
        import yaml

        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except OSError as error:
            raise SettingsError(f"config: {path} cannot be read ({error.strerror}); see --config") from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise SettingsError(f"config: {path} is not YAML ({str(error).splitlines()[0]})") from error
        if not isinstance(content, dict):
            raise SettingsError(f"config: {path} has to be a mapping of settings, such as `mode: suggest`")
        for name in content:
            if name in _SECRETS:
                raise SettingsError(f"config: {path}: {name} is a secret: set it in the environment instead")
            if name not in settings_cls.model_fields or name == "config":
                meant = nearest(str(name), set(settings_cls.model_fields) - {"config", *_SECRETS})
                raise SettingsError(f"config: {path}: there is no setting {plain(str(name))!r}{meant}")
        super().__init__(settings_cls, content)


class Settings(BaseSettings):
    """Everything that can be set. Each has its unit, its default and its reason."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        populate_by_name=True,
    )

    config: Path | None = Field(None, description="YAML file of settings, weaker than environment and flags")
    kubeconfig: Path | None = Field(None, description="kubeconfig file; none: KUBECONFIG, then ~/.kube/config")
    context: str | None = Field(None, description="context of the kubeconfig; none: its current one")
    in_cluster: bool = Field(False, description="use the pod's own service account")
    namespaces: tuple[str, ...] = Field((), description="namespaces to work in; none: all but the excluded")
    excluded_namespaces: tuple[str, ...] = Field(
        ("kube-system", "kube-public", "kube-node-lease"), description="namespaces never touched"
    )
    mode: Mode = Field(
        Mode.SUGGEST, description="observe, suggest, approve or auto; suggest changes nothing, approve asks each time"
    )
    alone: bool = Field(False, description="do not look who else works on this cluster")
    lease_namespace: str = Field("k8s-auto-fixer", description="namespace of the Lease that says who works here")
    store: Path = Field(default_factory=default_store, description="the state's SQLite file")
    grace_seconds: float = Field(
        10.0,
        ge=0,
        description="how long a transient may last before it is looked at; what nobody here can repair and may pass by"
        " itself is told to a person after 3 to 30 times as long, by its symptom",
    )
    settle_seconds: float = Field(60.0, gt=0, description="how long well must last before it is believed")
    workers: int = Field(
        16,
        ge=1,
        le=64,
        description="incidents worked on at once; most of the time one waits for its workload to settle",
    )
    min_confidence: float = Field(0.8, ge=0, le=1, description="below it a person is asked")
    sweep_seconds: float = Field(60.0, ge=5, description="between looks at everything, for what emits no event")
    cooldown_seconds: float = Field(
        900.0, ge=0, description="a workload is left alone so long after a change, so that incidents cannot fight"
    )
    same_field_seconds: float = Field(
        86_400.0, ge=0, description="two incidents do not set one field within it: the first did not last"
    )
    concurrent_changes: int = Field(5, ge=1, description="changes that stand unverified at once, in the whole cluster")
    changes_per_hour: int = Field(30, ge=1, description="more than so many is no repair but a storm; the rest waits")
    namespace_share: float = Field(
        0.2, gt=0, le=1, description="part of a namespace's workloads changed in an hour; two may always be"
    )
    breaker_undone: int = Field(
        3, ge=1, description="changes undone within breaker_seconds after which nothing new is begun"
    )
    breaker_seconds: float = Field(3600.0, gt=0, description="how far back undone changes count for the breaker")
    request_seconds: float = Field(86_400.0, gt=0, description="how long a person may take to approve")
    retention_days: float = Field(30.0, gt=0, description="closed incidents are forgotten after; the audit trail stays")
    listen: str | None = Field(
        None,
        description="HOST:PORT for /healthz, /readyz and /metrics; :PORT is every interface; none: no port is opened",
    )
    heartbeat_file: Path | None = Field(None, description="touched every 5 s while the daemon lives; none: no file")
    log_format: Literal["auto", "json", "pretty"] = Field("auto", description="auto: pretty on a terminal, else JSON")
    registries: tuple[str, ...] = Field((), description="registries that may be asked for tags; none: nobody is asked")
    read_secret_keys: bool = Field(
        False, description="the optional role deploy/secret-keys.yaml is granted: key names of Secrets may be listed"
    )
    notices: Path | None = Field(None, description="file for messages to people; none: beside the store")
    model: str = Field("gpt-5-mini", description="chat model, if a key or a base URL is set: [provider:]name[@address]")
    models: dict[str, str] = Field({}, description="models of agents that are to have another one, by agent")
    model_fallbacks: tuple[str, ...] = Field((), description="models asked in this order where an agent's own fails")
    model_api_key: SecretStr | None = Field(None, description="key for models that are written with an address")
    model_method: Literal["json_schema", "function_calling", "json_mode", "text"] = Field(
        "json_schema", description="how structured answers are asked for first; what is refused is asked more simply"
    )
    model_temperature: float | None = Field(
        0.0, ge=0, le=2, description="0 repeats itself best; models that refuse any of their own are left alone"
    )
    model_answer_tokens: int = Field(4_000, ge=100, description="the longest answer of a model")
    model_timeout_seconds: float = Field(30.0, gt=0, description="one request to a model")
    model_retries: int = Field(
        2, ge=0, le=10, description="repeats of a request after a 429, a 5xx or a lost connection"
    )
    model_deadline_seconds: float = Field(90.0, gt=0, description="one question to a model, with its repeats")
    model_streaming: bool = Field(False, description="ask for answers as streams, for proxies that cut silent ones")
    model_calls_per_incident: int = Field(24, ge=0, description="calls of models for one incident; then rules decide")
    model_tokens_per_incident: int = Field(120_000, ge=0, description="tokens for one incident, both ways together")
    model_tokens_per_day: int = Field(2_000_000, ge=0, description="tokens a day (UTC), both ways together")
    model_money_per_day: float | None = Field(
        None, ge=0, description="money a day (UTC), in the unit of model_prices; none: no cap"
    )
    model_prices: dict[str, tuple[float, float]] = Field(
        {}, description="price of a million tokens by model, [in, out]; a model without one counts no money"
    )
    model_auto: bool = Field(False, description="a model's changes need no approval for being a model's")
    prompts: Path | None = Field(None, description="folder of prompts (AGENT.md) in place of the shipped ones")
    langsmith: bool = Field(False, description="send traces to LangSmith, evidence and all, as its own variables say")
    openai_api_key: SecretStr | None = Field(None, validation_alias="OPENAI_API_KEY")
    openai_base_url: str | None = Field(None, validation_alias="OPENAI_BASE_URL")
    tavily_api_key: SecretStr | None = Field(None, validation_alias="TAVILY_API_KEY")
    tavily_base_url: str = Field("https://api.tavily.com", description="Tavily's address")
    slack_webhook_url: SecretStr | None = Field(None, validation_alias="SLACK_WEBHOOK_URL")

    @field_validator("namespaces", "excluded_namespaces")
    @classmethod
    def _are_namespaces(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [plain(name) for name in names if not _NAMESPACE.fullmatch(name)]:
            raise ValueError(f"{wrong[0]!r} is no name of a namespace: small letters, digits and hyphens, at most 63")
        return names

    @field_validator("lease_namespace")
    @classmethod
    def _is_a_namespace(cls, name: str) -> str:
        return cls._are_namespaces((name,))[0]

    @field_validator("listen", mode="before")
    @classmethod
    def _names_a_port(cls, value: object) -> object:
        if value is not None and not (_ADDRESS.fullmatch(str(value)) and int(str(value).rpartition(":")[2]) <= 65_535):
            raise ValueError("is no HOST:PORT with a port of at most 65535")
        return value

    @field_validator("retention_days")
    @classmethod
    def _remembers_what_still_counts(cls, days: float, info: ValidationInfo) -> float:
        longest = max(info.data.get(f"{name}_seconds", 0.0) for name in ("cooldown", "same_field", "breaker"))
        if days * 86_400 < longest:
            raise ValueError(
                f"changes count for {longest:g} s (the longest of cooldown_seconds, same_field_seconds and"
                f" breaker_seconds); write at least {longest / 86_400:g}"
            )
        return days

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, then the environment, then the file that ``K8S_AUTO_FIXER_CONFIG`` or ``--config`` names."""
        named = init_settings().get("config") or os.environ.get(_CONFIG)
        if not named:
            return init_settings, env_settings
        return init_settings, env_settings, _SettingsFile(settings_cls, Path(str(named)))

    @property
    def checkpoints(self) -> Path:
        """LangGraph's checkpoints, beside the store."""
        return self.store.with_name(self.store.stem + "-checkpoints.sqlite")

    @property
    def notices_file(self) -> Path:
        """Where messages to people are appended."""
        return self.notices or self.store.with_name("notices.jsonl")


def embedded_settings(folder: Path, **changes: Any) -> Settings:
    """Settings for an embedded cluster, with its state in a folder.

    What the environment says about clusters is about other ones and counts for nothing here; its keys for services do.
    """
    here = {"mode": Mode.AUTO, "alone": True, "store": folder / "store.sqlite", "notices": folder / "notices.jsonl"}
    nowhere = {
        "config": None,
        "listen": None,
        "heartbeat_file": None,
        "kubeconfig": None,
        "context": None,
        "in_cluster": False,
        "namespaces": (),
        "registries": (),
    }
    return _made({**here, **nowhere, **changes})


def load_settings(**flags: Any) -> Settings:
    """Read the environment; flags that are not None win. Raises SettingsError for the first bad one."""
    return _made({key: value for key, value in flags.items() if value is not None})


def _made(given: Mapping[str, Any]) -> Settings:
    if wrong := unknown_variable(Settings.model_fields):
        raise SettingsError(wrong)
    try:
        return Settings(**given)
    except SettingsError:
        raise
    except ValidationError as error:
        file = given.get("config") or os.environ.get(_CONFIG)
        raise SettingsError(told(error, given, Path(str(file)) if file else None, _defaults())) from error
    except ValueError as error:  # pydantic-settings: a variable that should hold JSON does not
        raise SettingsError(not_json(error, _defaults())) from error


def _defaults() -> dict[str, Any]:
    """As they would be written, where they are the same for everybody."""
    fields = {name: field for name, field in Settings.model_fields.items() if field.default is not PydanticUndefined}
    return {name: to_jsonable_python(field.default) for name, field in fields.items()}
