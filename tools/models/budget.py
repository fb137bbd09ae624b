"""What models may cost, and what they have cost: looked at before every call, and kept in the store.

Nobody knows what a call will cost before it has been made, and counting tokens exactly needs a table that would have
to be downloaded. So the most that it can cost is set aside first: a token for every three bytes of the request (text is
nearer to four), and the longest answer there may be. What the server then counts takes its place; where it does not
count, or nobody has seen its answer, what was set aside stays spent. The store does the sums in one transaction, so
processes that share a store share the budget, and a crash frees nothing.

Money needs a price, which is the user's to give: providers change theirs, and a guess would be a false promise. A model
without a price counts no money.
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from tools.models.asking import Usage
from tools.models.brain import Cost
from tools.models.chat import ModelSettings
from tools.models.errors import BudgetSpent
from tools.store.records import ModelCall, ModelCaps, Overrun, Spending

BYTES_A_TOKEN = 3

log = structlog.get_logger(__name__)


class Ledger(Protocol):
    """What the budget needs of the store."""

    async def reserve_call(self, call: ModelCall, caps: ModelCaps) -> Overrun | None:
        """See the store's port."""

    async def settle_call(self, call: ModelCall) -> None:
        """See the store's port."""

    async def spent_on(self, incident: str) -> Spending:
        """See the store's port."""


@dataclass(frozen=True)
class Price:
    """What a million tokens cost, in whatever money the user reckons in."""

    input: float
    output: float


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The caps, and the prices that the one on money needs. None is no cap."""

    calls_per_incident: int | None = 24
    tokens_per_incident: int | None = 120_000
    tokens_per_day: int | None = 2_000_000
    money_per_day: float | None = None
    prices: Mapping[str, Price] = field(default_factory=dict)
    """By `provider:model`, or by the model's name alone."""

    def price_of(self, model: ModelSettings) -> Price | None:
        """What the user says that a model costs."""
        return self.prices.get(model.name) or self.prices.get(model.model)

    @property
    def caps(self) -> ModelCaps:
        """The caps as the store compares them."""
        return ModelCaps(
            calls_per_incident=self.calls_per_incident,
            tokens_per_incident=self.tokens_per_incident,
            tokens_per_day=self.tokens_per_day,
            money_per_day=self.money_per_day,
        )


@dataclass
class Tab:
    """What one question costs, while it is being asked."""

    agent: str
    incident: str
    cost: Cost = field(default_factory=Cost)


@dataclass(frozen=True)
class Reservation:
    """What was set aside for one call."""

    call: ModelCall
    price: Price | None
    tab: Tab


class Purse:
    """Sets aside, settles, and says once when there is nothing left."""

    def __init__(
        self, budget: Budget, ledger: Ledger, *, new_id: Callable[[], str] = lambda: str(uuid.uuid4())
    ) -> None:
        self._budget = budget
        self._ledger = ledger
        self._new_id = new_id
        self._said: set[tuple[str, str]] = set()

    async def reserve(self, tab: Tab, model: ModelSettings, request_bytes: int) -> Reservation:
        """Set aside the most that a call can cost. Raises BudgetSpent, and then nothing is set aside."""
        price = self._budget.price_of(model)
        tokens = Usage(-(-request_bytes // BYTES_A_TOKEN), model.answer_tokens)
        call = ModelCall(
            id=self._new_id(),
            incident=tab.incident,
            agent=tab.agent,
            model=model.name,
            input_tokens=tokens.input_tokens,
            output_tokens=tokens.output_tokens,
            money=_money(price, tokens),
        )
        overrun = await self._ledger.reserve_call(call, self._budget.caps)
        if overrun is not None:
            self._say(overrun, tab)
            raise BudgetSpent(overrun.scope, overrun.limit, overrun.spent)
        return Reservation(call, price, tab)

    async def settle(self, reservation: Reservation, used: Usage | None) -> None:
        """Put what a call has cost in the place of what was set aside; None keeps that."""
        call = reservation.call
        if used is not None:
            call = ModelCall(
                id=call.id,
                incident=call.incident,
                agent=call.agent,
                model=call.model,
                input_tokens=used.input_tokens,
                output_tokens=used.output_tokens,
                money=_money(reservation.price, used),
            )
            await self._ledger.settle_call(call)
        tab = reservation.tab
        tab.cost += Cost(calls=1, input_tokens=call.input_tokens, output_tokens=call.output_tokens)

    async def spent(self, incident: str) -> Cost:
        """What one incident has cost so far."""
        spending = await self._ledger.spent_on(incident)
        return Cost(calls=spending.calls, input_tokens=spending.input_tokens, output_tokens=spending.output_tokens)

    def _say(self, overrun: Overrun, tab: Tab) -> None:
        """Once for an incident's own cap, and once a day for the others."""
        about = (overrun.scope, overrun.day or tab.incident)
        if about not in self._said:
            if len(self._said) > 1_000:
                self._said.clear()
            self._said.add(about)
            log.warning(
                "model.budget_spent",
                incident=tab.incident,
                scope=overrun.scope,
                limit=overrun.limit,
                spent=overrun.spent,
                hint="rules decide until there is budget again",
            )


def _money(price: Price | None, tokens: Usage) -> float:
    if price is None:
        return 0.0
    return (tokens.input_tokens * price.input + tokens.output_tokens * price.output) / 1_000_000
