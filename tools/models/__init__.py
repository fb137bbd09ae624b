"""Chat models: building the one that is configured, and asking it for typed answers."""

from tools.models.asking import (
    ModelAnswerError,
    ModelConfigurationError,
    ModelError,
    ModelRefusal,
    ModelUnavailable,
    Usage,
    ask,
)
from tools.models.chat import Method, ModelSettings, ModelSettingsError, build_chat_model, close_chat_model

__all__ = [
    "Method",
    "ModelAnswerError",
    "ModelConfigurationError",
    "ModelError",
    "ModelRefusal",
    "ModelSettings",
    "ModelSettingsError",
    "ModelUnavailable",
    "Usage",
    "ask",
    "build_chat_model",
    "close_chat_model",
]
