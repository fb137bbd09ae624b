"""Chat models: building those that are configured, what they may cost, and asking them for typed answers.

Nothing here imports LangChain until a model is built: without one, none of it is loaded.
"""

from tools.models.asking import Usage, ask
from tools.models.brain import AGENTS, Brain, Cost, Limits, Reply
from tools.models.budget import Budget, Price
from tools.models.chat import Method, ModelSettings, ModelSettingsError, build_chat_model, close_chat_model
from tools.models.configured import ConfiguredBrain, Memory, build_brain
from tools.models.errors import (
    BudgetSpent,
    ModelAnswerError,
    ModelConfigurationError,
    ModelError,
    ModelRefusal,
    ModelUnavailable,
)
from tools.models.roster import Roster

__all__ = [
    "AGENTS",
    "Brain",
    "Budget",
    "BudgetSpent",
    "ConfiguredBrain",
    "Cost",
    "Limits",
    "Memory",
    "Method",
    "ModelAnswerError",
    "ModelConfigurationError",
    "ModelError",
    "ModelRefusal",
    "ModelSettings",
    "ModelSettingsError",
    "ModelUnavailable",
    "Price",
    "Reply",
    "Roster",
    "Usage",
    "ask",
    "build_brain",
    "build_chat_model",
    "close_chat_model",
]
