"""The settings: from the environment and the command line, checked once, frozen, and passed in from then on.

Variables start with ``K8S_AUTO_FIXER_``; keys of other services keep the names their own tools use.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from incidents.policy import Mode

PREFIX = "K8S_AUTO_FIXER_"

# What can be said on the command line as well.
_FLAGS = {
    "kubeconfig": "--kubeconfig",
    "context": "--context",
    "in_cluster": "--in-cluster",
    "store": "--store",
    "mode": "--mode",
    "alone": "--alone",
    "namespaces": "--namespace",
}


class SettingsError(ValueError):
    """A setting that cannot be used; the text names it and the remedy."""


def default_store() -> Path:
    """Where state is kept unless it is said otherwise: the user's state folder."""
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "k8s-auto-fixer" / "store.sqlite"


class Settings(BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        populate_by_name=True,
    )

    kubeconfig: Path | None = Field(None, description="kubeconfig file; none: KUBECONFIG, then ~/.kube/config")
    context: str | None = Field(None, description="context of the kubeconfig; none: its current one")
    in_cluster: bool = Field(False, description="use the pod's own service account")
    namespaces: tuple[str, ...] = Field((), description="namespaces to work in; none: all but the excluded")
    excluded_namespaces: tuple[str, ...] = Field(
        ("kube-system", "kube-public", "kube-node-lease"), description="namespaces never touched"
    )
    mode: Mode = Field(Mode.SUGGEST, description="observe, suggest or auto; suggest changes nothing by itself")
    alone: bool = Field(False, description="do not look who else works on this cluster")
    lease_namespace: str = Field("k8s-auto-fixer", description="namespace of the Lease that says who works here")
    store: Path = Field(default_factory=default_store, description="the state's SQLite file")
    grace_seconds: float = Field(10.0, ge=0, description="how long a transient may last before it is looked at")
    settle_seconds: float = Field(60.0, gt=0, description="how long well must last before it is believed")
    workers: int = Field(4, ge=1, le=64, description="incidents worked on at once")
    min_confidence: float = Field(0.8, ge=0, le=1, description="below it a person is asked")
    registries: tuple[str, ...] = Field((), description="registries that may be asked for tags; none: nobody is asked")
    notices: Path | None = Field(None, description="file for messages to people; none: beside the store")
    model: str = Field("gpt-5-mini", description="chat model, if a key or a base URL is set")
    model_method: Literal["json_schema", "function_calling", "json_mode"] = Field(
        "json_schema", description="how the model is asked for structured answers"
    )
    openai_api_key: SecretStr | None = Field(None, validation_alias="OPENAI_API_KEY")
    openai_base_url: str | None = Field(None, validation_alias="OPENAI_BASE_URL")
    tavily_api_key: SecretStr | None = Field(None, validation_alias="TAVILY_API_KEY")
    tavily_base_url: str = Field("https://api.tavily.com", description="Tavily's address")
    slack_webhook_url: SecretStr | None = Field(None, validation_alias="SLACK_WEBHOOK_URL")

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
    nowhere = {"kubeconfig": None, "context": None, "in_cluster": False, "namespaces": (), "registries": ()}
    return Settings(**{**here, **nowhere, **changes})


def load_settings(**flags: Any) -> Settings:
    """Read the environment; flags that are not None win. Raises SettingsError for the first bad one."""
    try:
        return Settings(**{key: value for key, value in flags.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        variable = name if name.isupper() else f"{PREFIX}{name.upper()}"
        shown = f"{name} ({_FLAGS[name]} or {variable})" if name in _FLAGS else variable
        raise SettingsError(f"{shown}: {first['msg']}") from error
    except ValueError as error:  # pydantic-settings: a variable that should hold JSON does not
        raise SettingsError(f"{error}: lists are written as JSON, for example '[\"shop\"]'") from error
