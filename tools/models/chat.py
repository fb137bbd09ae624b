"""One chat model: what is set about it, and how it is built.

Nothing here is required: without a key and without an address there is no model, and the program works by rule. With
an address alone (a local server that speaks OpenAI's protocol) no key is needed. Everything comes from the settings;
the library's own habit of reading addresses from the environment is overruled, so that what `doctor` shows is what is
used. Other providers find their keys where their own libraries look for them.
"""

import re
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import httpx
    from langchain_core.language_models import BaseChatModel

Method: TypeAlias = Literal["json_schema", "function_calling", "json_mode", "text"]

OPENAI = "openai"
EXTRAS = {
    "anthropic": "anthropic",
    "bedrock": "bedrock",
    "bedrock_converse": "bedrock",
    "azure_openai": "azure",
    "google_genai": "google",
    "google_vertexai": "google",
    "ollama": "ollama",
}
"""Providers besides OpenAI, and the optional extra of this program that brings what each needs."""
PROVIDERS = (OPENAI, *EXTRAS)
DEFAULT_ANSWER_TOKENS = 4_000

_OPENAI_ADDRESS = "https://api.openai.com/v1"
_NO_KEY = "unused"  # local servers want a key to be there and do not look at it
_LONGEST_BODY = 1_000_000  # bytes of one HTTP answer; no useful one comes near
_OWN_TEMPERATURE = re.compile(r"^(o\d|gpt-5)")  # OpenAI's reasoning models refuse any but their own


class ModelSettingsError(ValueError):
    """A setting of the model cannot be used; the message names the field and the remedy."""


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """One chat model and how to ask it."""

    model: str = "gpt-5-mini"
    provider: str = OPENAI
    """As LangChain's `init_chat_model` names providers; anything but `openai` needs its LangChain package installed."""
    api_key: str | None = field(default=None, repr=False)
    base_url: str | None = None
    """An OpenAI-compatible server, `http://127.0.0.1:11434/v1` for example; None is the provider's own service."""
    method: Method = "json_schema"
    """How structured answers are asked for first; what a server refuses is followed by the next simpler way."""
    timeout_seconds: float = 30.0
    """One request."""
    max_retries: int = 2
    """After a 429, a 5xx or a lost connection; the client waits as long as the server says, a minute at most."""
    temperature: float | None = None
    """None leaves it to the model, and so is any value for models that are known to refuse it."""
    max_tokens: int | None = DEFAULT_ANSWER_TOKENS
    """The longest answer; None leaves it to the model."""
    streaming: bool = False
    """Whether answers are asked for as streams: for proxies that end a connection on which nothing moves."""

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
        return bool(self.api_key or self.base_url or self.provider != OPENAI)

    @property
    def name(self) -> str:
        """What it is called in records and prices: `provider:model`."""
        return f"{self.provider}:{self.model}"

    @property
    def where(self) -> str:
        """The address that is asked, for people."""
        if self.base_url:
            return self.base_url
        return _OPENAI_ADDRESS if self.provider == OPENAI else f"where {self.provider}'s own library finds it"

    @property
    def answer_tokens(self) -> int:
        """The longest answer that has to be reckoned with."""
        return self.max_tokens or DEFAULT_ANSWER_TOKENS


def build_chat_model(settings: ModelSettings) -> "BaseChatModel | None":
    """The model, or None when neither a key nor an address is set. Opens no connection; `close_chat_model` ends it.

    Raises ModelSettingsError if the provider's package is not installed or the model cannot be built. Importing
    LangChain takes one to two seconds, so call this where somebody is going to use it.
    """
    if not settings.configured:
        return None
    if settings.provider == OPENAI:
        return _openai(settings)
    return _any_provider(settings)


async def close_chat_model(model: "BaseChatModel | None") -> None:
    """Close the connections of a model that `build_chat_model` made; None is nothing to close."""
    client = getattr(model, "http_async_client", None)
    if client is not None:
        await client.aclose()


def without_temperature(model: "BaseChatModel") -> "BaseChatModel":
    """The same model on the same connections, which leaves the temperature to the server."""
    return model.model_copy(update={"temperature": None})


def _openai(settings: ModelSettings) -> "BaseChatModel":
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    compatible = settings.base_url is not None
    return ChatOpenAI(
        model=settings.model,
        api_key=SecretStr(settings.api_key or _NO_KEY),
        base_url=settings.base_url or _OPENAI_ADDRESS,
        use_responses_api=False if compatible else None,  # the name of a model alone would choose /v1/responses
        stream_usage=True,
        streaming=settings.streaming,
        http_async_client=_client(settings),
        **_common(settings),
    )


def _client(settings: ModelSettings) -> "httpx.AsyncClient":
    """A client of its own: the library shares one for the whole process, which nobody can close and which does not
    survive the event loop it was first used in. Redirects are not followed: the key goes nowhere else.
    """
    import httpx

    async def bound(response: httpx.Response) -> None:
        if isinstance(response.stream, httpx.AsyncByteStream):
            response.stream = _bounded(response.stream)

    return httpx.AsyncClient(
        verify=_trusted(),
        timeout=settings.timeout_seconds,
        follow_redirects=False,
        headers={"Accept-Encoding": "identity"},  # so that a bound in bytes is one in memory too
        event_hooks={"response": [bound]},
    )


@cache
def _trusted() -> ssl.SSLContext:
    """The certificates that are trusted, read once: reading them takes longer than building everything else."""
    import httpx

    return httpx.create_ssl_context()


def _bounded(stream: "httpx.AsyncByteStream") -> "httpx.AsyncByteStream":
    """The stream, ended early where it is too long: what is half read is no answer, and nobody repeats the call."""
    import httpx

    class Bounded(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            left = _LONGEST_BODY
            async for chunk in stream:
                yield chunk[:left]
                left -= len(chunk)
                if left <= 0:
                    return

        async def aclose(self) -> None:
            await stream.aclose()

    return Bounded()


def _any_provider(settings: ModelSettings) -> "BaseChatModel":
    from langchain.chat_models import init_chat_model

    given: dict[str, Any] = {"api_key": settings.api_key, "base_url": settings.base_url}
    try:
        model: BaseChatModel = init_chat_model(
            settings.model,
            model_provider=settings.provider,
            **{name: value for name, value in given.items() if value is not None},
            **_in_words_of(settings),
        )
        return model
    except ImportError as error:
        extra = EXTRAS.get(settings.provider, "")
        remedy = f"k8s-auto-fixer[{extra}] or langchain-{settings.provider}" if extra else "its LangChain package"
        raise ModelSettingsError(
            f"provider {settings.provider!r} needs its LangChain package: install {remedy}"
        ) from error
    except ValueError as error:  # its text may quote what was given
        raise ModelSettingsError(
            f"provider {settings.provider!r} cannot be used: check provider, model and the variables that its own"
            f" library reads ({type(error).__name__})"
        ) from error


def _in_words_of(settings: ModelSettings) -> dict[str, Any]:
    """The settings as the provider's library calls them."""
    common = _common(settings)
    timeout, retries = common.pop("timeout"), common.pop("max_retries")
    match settings.provider:
        case "ollama":
            longest = {"num_predict": common.pop("max_tokens")} if "max_tokens" in common else {}
            return {**common, **longest, "client_kwargs": {"timeout": timeout}}
        case "bedrock" | "bedrock_converse":  # botocore has timeouts of its own; ours ends what outlasts them
            return common
    return {**common, "timeout": timeout, "max_retries": retries}


def _common(settings: ModelSettings) -> dict[str, Any]:
    fixed = settings.provider in (OPENAI, "azure_openai") and _OWN_TEMPERATURE.match(settings.model)
    given = {
        "timeout": settings.timeout_seconds,
        "max_retries": settings.max_retries,
        "temperature": None if fixed else settings.temperature,
        "max_tokens": settings.max_tokens,
    }
    return {name: value for name, value in given.items() if value is not None}


def _check_address(base_url: str) -> None:
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ModelSettingsError("base_url must look like https://host/v1 or http://127.0.0.1:PORT/v1")
    if parts.username or parts.password:
        raise ModelSettingsError("base_url holds a user name or password: put the credential into api_key")
