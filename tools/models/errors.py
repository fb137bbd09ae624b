"""Why a model gave no usable answer: errors that say what to do next, in one line that holds no key and no evidence.

Every provider's library has exceptions of its own; they end here. What they quote (a request, an answer, a header)
stays out of these texts.
"""

from typing import TYPE_CHECKING, Any

from tools.scrub import scrub

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from pydantic import ValidationError

CUT_OFF = "the answer was cut off: raise model_answer_tokens"


class ModelError(Exception):
    """The model gave no usable answer. The text is short, single-line and holds no credential."""

    retryable = False
    """Whether asking the same again later may help."""
    billed = True
    """Whether the provider may have counted tokens for it; if so, what was set aside for the call stays spent."""


class ModelRefusal(ModelError):
    """The model declined to answer."""


class ModelAnswerError(ModelError):
    """The model answered with something that is not the schema asked for, or was cut off.

    ``said`` is the beginning of what it did say, for the one turn in which it may repair it; never shown to people.
    """

    said = ""


class ModelUnavailable(ModelError):
    """Not reachable, too slow, over its rate limit, or broken on its side."""

    retryable = True
    broken = False
    """Whether an answer had begun to come: no client repeats such a call by itself."""


class ModelConfigurationError(ModelError):
    """The server refuses the key, the model's name or the way of asking: somebody has to change a setting."""

    billed = False
    about_the_form = False
    """Whether another way of asking may be accepted: the server found fault with the request itself."""


class BudgetSpent(ModelError):
    """What models may cost is used up; nothing was sent. ``scope`` says what is counted."""

    billed = False

    def __init__(self, scope: str, limit: float, spent: float) -> None:
        super().__init__(
            f"the budget for models is spent: {spent:,.10g} of {limit:,.10g} {scope} are used or set aside, and the"
            " next call might exceed it; rules decide"
        )
        self.scope, self.limit, self.spent = scope, limit, spent


def misfit(name: str, error: "ValidationError") -> str:
    """What is wrong with an answer, without quoting it: it repeats the evidence that it was asked about."""
    fields = error.errors(include_url=False, include_context=False, include_input=False)
    wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'the whole'}: {e['type']}" for e in fields[:3])
    return f"the answer is not a {name}: {scrub(wrong, limit=200)}"


def translated(error: Exception, model: "BaseChatModel") -> ModelError:
    """A provider's exception as one of ours."""
    import json

    from langchain_core import exceptions as known
    from pydantic import ValidationError

    if isinstance(error, ModelError):
        return error
    if isinstance(error, ValidationError):
        return ModelAnswerError(misfit("usable message", error))
    said = f"{type(error).__name__} {scrub(error, secrets=secrets_of(model), limit=200)}"
    if isinstance(error, known.ModelRateLimitError):
        return _unbilled(ModelUnavailable(f"the model's rate limit is reached: {said}"))
    if isinstance(error, known.ModelTimeoutError | known.ModelConnectionError | known.ModelAPIError):
        return _gone(error, said, streaming=bool(getattr(model, "streaming", False)))
    if isinstance(error, known.ContextOverflowError):
        return _unbilled(ModelAnswerError(f"the question is too long for the model: {said}"))
    if isinstance(error, json.JSONDecodeError):
        return ModelAnswerError("the server's answer is not JSON, or was too long to be read to its end")
    if isinstance(error, known.ModelAuthenticationError | known.ModelPermissionDeniedError | known.ModelNotFoundError):
        return ModelConfigurationError(f"the model refuses the question: {said}")
    return _of_no_known_kind(error, said)


def secrets_of(model: "BaseChatModel") -> list[str]:
    """The keys that a model holds."""
    from pydantic import SecretStr

    fields = (getattr(model, name, None) for name in type(model).model_fields)
    return [value.get_secret_value() for value in fields if isinstance(value, SecretStr)]


def _of_no_known_kind(error: Exception, said: str) -> ModelError:
    from langchain_core import exceptions as known

    if type(error).__name__ == "LengthFinishReasonError":  # openai's, raised while parsing; known by name, not imported
        return ModelAnswerError(CUT_OFF)
    if type(error).__name__ == "ContentFilterFinishReasonError":
        return ModelRefusal("the model declined: a content filter ended the answer")
    if type(error).__module__.split(".")[0] in ("httpx", "httpcore"):  # a stream that broke: openai passes these on
        return _gone(error, said, streaming=True)
    if isinstance(error, TypeError | KeyError | AttributeError | IndexError | AssertionError):
        # What the client stumbles over when an answer has another shape than its protocol gives it.
        return ModelConfigurationError(f"the server does not answer in its provider's format; check base URL: {said}")
    if isinstance(error, known.ModelError | ValueError | NotImplementedError) or _status(error) in (405, 422, 501):
        refused = ModelConfigurationError(f"the model refuses the question: {said}")
        refused.about_the_form = True
        return refused
    return ModelError(f"the model failed: {said}")


def _gone(error: Exception, said: str, *, streaming: bool) -> ModelUnavailable:
    """A model that is not there, or not any more. The client has repeated what it can: not a stream that broke off."""
    gone = ModelUnavailable(f"the model is not available: {said}")
    gone.broken = streaming and _caused_by(error, ("RemoteProtocolError", "ReadError"))
    gone.billed = not (_status(error) or _caused_by(error, ("ConnectError", "ConnectTimeout")))
    return gone


def _unbilled(error: ModelError) -> ModelError:
    error.billed = False
    return error


def _caused_by(error: BaseException | None, names: tuple[str, ...]) -> bool:
    """Whether one of httpx's errors of these names is behind it; by name, since other providers bring other clients."""
    while error is not None:
        if type(error).__name__ in names:
            return True
        error = error.__cause__
    return False


def _status(error: Exception) -> Any:
    return getattr(error, "status_code", None)
