"""Which models there are for which agent, in the order in which they are asked.

A model is written `[provider:]name[@address]`: `gpt-5-mini`, `anthropic:claude-haiku-4-5`,
`qwen3:8b@http://127.0.0.1:11434/v1`. What stands before a colon is a provider only if it is one; names of local models
have colons in them. The key of OPENAI_API_KEY goes to the address of OPENAI_BASE_URL and to no other: a model with
an address of its own is given the other key, if there is one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tools.models.brain import AGENTS
from tools.models.chat import OPENAI, PROVIDERS, ModelSettings, ModelSettingsError


@dataclass(frozen=True, kw_only=True)
class Roster:
    """The models by agent. `first` is what agents without one of their own ask; `fallbacks` stand in for all."""

    first: str
    by_agent: Mapping[str, str] = field(default_factory=dict)
    fallbacks: tuple[str, ...] = ()
    base: ModelSettings = field(default_factory=ModelSettings)
    """Everything that holds for all of them; its key and address are those of the main service."""
    other_key: str | None = field(default=None, repr=False)
    """The key for models that have an address of their own."""

    def __post_init__(self) -> None:
        for agent in self.by_agent:
            if agent not in AGENTS:
                raise ModelSettingsError(f"models: there is no agent {agent[:40]!r}; there are {', '.join(AGENTS)}")
        for text in (self.first, *self.by_agent.values(), *self.fallbacks):
            self.settings_of(text)

    def chain(self, agent: str) -> tuple[ModelSettings, ...]:
        """The models of one agent, the preferred first; empty where none can be asked."""
        texts = (self.by_agent.get(agent, self.first), *self.fallbacks)
        found = dict.fromkeys(self.settings_of(text) for text in texts)
        return tuple(settings for settings in found if settings.configured)

    def settings_of(self, text: str) -> ModelSettings:
        """One model as it is written. Raises ModelSettingsError."""
        name, address = _split(text)
        prefix, _, rest = name.partition(":")
        provider, model = (prefix, rest) if rest and prefix in PROVIDERS else (OPENAI, name)
        if address is not None:
            return replace(self.base, provider=provider, model=model, base_url=address, api_key=self.other_key)
        if provider != OPENAI:
            return replace(self.base, provider=provider, model=model, base_url=None, api_key=None)
        return replace(self.base, provider=provider, model=model)


def _split(text: str) -> tuple[str, str | None]:
    for mark in ("@http://", "@https://"):
        name, found, rest = text.partition(mark)
        if found:
            return name.strip(), mark[1:] + rest.strip()
    return text.strip(), None
