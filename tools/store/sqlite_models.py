"""What models have cost, and what they have answered.

A call is written before it is made, with the most that it can cost, in the same transaction that looks at the caps: two
processes cannot both take the last of a budget, and what a crash interrupted stays counted. Answers are kept by
a key that the caller makes; the ones that were not asked for longest make room for new ones.
"""

from __future__ import annotations

from datetime import UTC

from tools.store.database import Rows
from tools.store.records import ModelCall, ModelCaps, Overrun, Spending
from tools.store.tables import Tables

ANSWERS_KEPT = 1_000
LONGEST_ANSWER_KEPT = 100_000  # characters; a longer one is not worth its room

_SUMS = (
    "SELECT count(*), coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0), coalesce(sum(money), 0.0)"
    " FROM model_calls"
)


class ModelTables(Tables):
    """The port's part ``Models``."""

    async def reserve_call(self, call: ModelCall, caps: ModelCaps) -> Overrun | None:
        """Write a call with the most it can cost, if no cap is exceeded by it; else the cap, and nothing is written."""

        def work(rows: Rows) -> Overrun | None:
            day = self._now().astimezone(UTC).date().isoformat()
            overrun = _incident_overrun(call, caps, _spent(rows, "incident", call.incident)) or _day_overrun(
                call, caps, _spent(rows, "day", day), day
            )
            if overrun is None:
                rows.run(
                    "INSERT INTO model_calls (id, incident, agent, model, day, input_tokens, output_tokens, money)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (call.id, call.incident, call.agent, call.model, day, *_counted(call)),
                )
            return overrun

        return await self._database.write(work)

    async def settle_call(self, call: ModelCall) -> None:
        """Put what a call has cost in the place of what was set aside for it."""
        statement = "UPDATE model_calls SET input_tokens = ?, output_tokens = ?, money = ?, settled = 1 WHERE id = ?"
        await self._database.write(lambda rows: rows.run(statement, (*_counted(call), call.id)))

    async def spent_on(self, incident: str) -> Spending:
        """What models have cost one incident."""
        return await self._database.read(lambda rows: _spent(rows, "incident", incident))

    async def spent_today(self) -> Spending:
        """What models have cost since the day began, in UTC."""
        day = self._now().astimezone(UTC).date().isoformat()
        return await self._database.read(lambda rows: _spent(rows, "day", day))

    async def recall_answer(self, key: str) -> str | None:
        """An answer that was kept under this key."""

        def work(rows: Rows) -> str | None:
            found = rows.texts("SELECT body FROM model_answers WHERE key = ?", (key,))
            if found:
                rows.run(f"UPDATE model_answers SET used = {_NEXT} WHERE key = ?", (key,))  # noqa: S608 - our own words
            return found[0] if found else None

        return await self._database.write(work)

    async def keep_answer(self, key: str, body: str) -> None:
        """Keep an answer; one that is too long is not kept, and the least used go."""
        if len(body) > LONGEST_ANSWER_KEPT:
            return

        def work(rows: Rows) -> None:
            rows.run(
                f"INSERT INTO model_answers (key, body, used) VALUES (?, ?, {_NEXT})"  # noqa: S608 - our own words
                " ON CONFLICT (key) DO UPDATE SET body = excluded.body, used = excluded.used",
                (key, body),
            )
            rows.run(
                "DELETE FROM model_answers WHERE key IN"
                " (SELECT key FROM model_answers ORDER BY used DESC LIMIT -1 OFFSET ?)",
                (ANSWERS_KEPT,),
            )

        await self._database.write(work)


_NEXT = "(SELECT coalesce(max(used), 0) + 1 FROM model_answers)"


def _spent(rows: Rows, column: str, value: str) -> Spending:
    ((calls, read, written, money),) = rows.rows(f"{_SUMS} WHERE {column} = ?", (value,))  # names of our own
    return Spending(
        calls=int(str(calls)),
        input_tokens=int(str(read)),
        output_tokens=int(str(written)),
        money=float(str(money)),
    )


def _counted(call: ModelCall) -> tuple[int, int, float]:
    return call.input_tokens, call.output_tokens, call.money


def _incident_overrun(call: ModelCall, caps: ModelCaps, spent: Spending) -> Overrun | None:
    tokens = spent.input_tokens + spent.output_tokens
    if caps.calls_per_incident is not None and spent.calls + 1 > caps.calls_per_incident:
        return Overrun(scope="calls of this incident", limit=caps.calls_per_incident, spent=spent.calls)
    if caps.tokens_per_incident is not None and tokens + call.input_tokens + call.output_tokens > (
        caps.tokens_per_incident
    ):
        return Overrun(scope="tokens of this incident", limit=caps.tokens_per_incident, spent=tokens)
    return None


def _day_overrun(call: ModelCall, caps: ModelCaps, spent: Spending, day: str) -> Overrun | None:
    tokens = spent.input_tokens + spent.output_tokens
    if caps.tokens_per_day is not None and tokens + call.input_tokens + call.output_tokens > caps.tokens_per_day:
        return Overrun(scope="tokens of today", limit=caps.tokens_per_day, spent=tokens, day=day)
    if caps.money_per_day is not None and spent.money + call.money > caps.money_per_day:
        return Overrun(scope="money of today", limit=caps.money_per_day, spent=spent.money, day=day)
    return None


def forget_calls(rows: Rows, before_day: str) -> None:
    """Forget calls of days before, of incidents that are over; within the transaction of the upkeep."""
    rows.run(
        "DELETE FROM model_calls WHERE day < ? AND incident NOT IN (SELECT id FROM incidents WHERE status <> 'closed')",
        (before_day,),
    )
