"""Which chat model answers, if any.

Nothing here is required: without a key and without an address there is no model, and the program works by rule. With
an address alone (a local server that speaks OpenAI's protocol) no key is needed. Everything comes from the settings;
the library's own habit of reading addresses from the environment is overruled, so that what `doctor` shows is what is
used.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

Method: TypeAlias = Literal["json_schema", "function_calling", "json_mode"]

_OPENAI = "openai"
_OPENAI_ADDRESS = "https://api.openai.com/v1"
_NO_KEY = "unused"  # local servers want a key to be there and do not look at it


class ModelSettingsError(ValueError):
    """A setting of the model cannot be used; the message names the field and the remedy."""


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """One chat model and how to ask it."""

    model: str = "gpt-5-mini"
    provider: str = _OPENAI
    """As LangChain's `init_chat_model` names providers; anything but `openai` needs its LangChain package installed."""
    api_key: str | None = field(default=None, repr=False)
    base_url: str | None = None
    """An OpenAI-compatible server, `http://127.0.0.1:11434/v1` for example; None is the provider's own service."""
    method: Method = "json_schema"
    """How structured answers are asked for; servers that lack `json_schema` know one of the other two."""
    timeout_seconds: float = 30.0
    """One request."""
    max_retries: int = 2
    temperature: float | None = None
    """None leaves it to the model; reasoning models refuse any other value."""
    max_tokens: int | None = 4_000
    """The longest answer; None leaves it to the model."""

    def __post_init__(self) -> None:
        if not self.model.strip():
            raise ModelSettingsError("model is empty: name one, gpt-5-mini for example")
        if self.base_url is not None:
            _check_address(self.base_url)
        if self.timeout_seconds <= 0:
            raise ModelSettingsError(f"timeout_seconds is {self.timeout_seconds:g}: it must be more than 0")

    @property
    def configured(self) -> bool:
        """Whether there is a model to ask at all."""
        return bool(self.api_key or self.base_url or self.provider != _OPENAI)


def build_chat_model(settings: ModelSettings) -> "BaseChatModel | None":
    """The model, or None when neither a key nor an address is set. Opens no connection; `close_chat_model` ends it.

    Raises ModelSettingsError if the provider's package is not installed or the model cannot be built. Importing
    LangChain takes one to two seconds, so call this where somebody is going to use it.
    """
    if not settings.configured:
        return None
    if settings.provider == _OPENAI:
        return _openai(settings)
    return _any_provider(settings)


async def close_chat_model(model: "BaseChatModel | None") -> None:
    """Close the connections of a model that `build_chat_model` made; None is nothing to close."""
    client = getattr(model, "http_async_client", None)
    if client is not None:
        await client.aclose()


def _openai(settings: ModelSettings) -> "BaseChatModel":
    import httpx
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    compatible = settings.base_url is not None
    return ChatOpenAI(
        model=settings.model,
        api_key=SecretStr(settings.api_key or _NO_KEY),
        base_url=settings.base_url or _OPENAI_ADDRESS,
        use_responses_api=False if compatible else None,  # the name of a model alone would choose /v1/responses
        stream_usage=True,
        # A client of its own: the library shares one for the whole process, which nobody can close and which does not
        # survive the event loop it was first used in. Redirects are not followed: the key goes nowhere else.
        http_async_client=httpx.AsyncClient(timeout=settings.timeout_seconds, follow_redirects=False),
        **_common(settings),
    )


def _any_provider(settings: ModelSettings) -> "BaseChatModel":
    from langchain.chat_models import init_chat_model

    given: dict[str, Any] = {"api_key": settings.api_key, "base_url": settings.base_url}
    try:
        model: BaseChatModel = init_chat_model(
            settings.model,
            model_provider=settings.provider,
            **{name: value for name, value in given.items() if value is not None},
            **_common(settings),
        )
        return model
    except ImportError as error:
        raise ModelSettingsError(
            f"provider {settings.provider!r} needs its LangChain package: install langchain-{settings.provider}"
        ) from error
    except ValueError as error:
        raise ModelSettingsError(f"provider {settings.provider!r} cannot be used: check provider and model") from error


def _common(settings: ModelSettings) -> dict[str, Any]:
    given = {
        "timeout": settings.timeout_seconds,
        "max_retries": settings.max_retries,
        "temperature": settings.temperature,
        "max_tokens": settings.max_tokens,
    }
    return {name: value for name, value in given.items() if value is not None}


def _check_address(base_url: str) -> None:
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ModelSettingsError("base_url must look like https://host/v1 or http://127.0.0.1:PORT/v1")
    if parts.username or parts.password:
        raise ModelSettingsError("base_url holds a user name or password: put the credential into api_key")
