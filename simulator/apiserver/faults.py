"""Faults on demand: what goes wrong between a client and a real API server, made to happen.

Owns which request meets which fault: each fault has a pattern (verb, path, user), an effect, and a turn (skip
some, every n-th, so many times). Safe to use from any thread while the server runs. Effects on open streams and
on history happen at once and are the server's own (`drop_watches`, `compact`).

It never changes what is stored, except by `mutate`, which stands where a mutating webhook stands: after
defaults, before validation, in dry runs too.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from threading import Lock
from typing import Literal

from simulator.apiserver import status_errors
from simulator.apiserver.call import Answer
from simulator.apiserver.objects import Object

Form = Literal["refuse", "delay", "cut_before", "cut_after", "half", "mutate"]
Mutation = Callable[[Object], "Object | None"]
UNANSWERED = 499
_REASONS = {500: "InternalError", 503: "ServiceUnavailable"}
_MESSAGES = {
    500: "Internal error occurred: etcdserver: request timed out",
    503: "the server is currently unable to handle the request",
}


@dataclass
class Fault:
    """One fault that was asked for. `hits` counts the requests it has met; `remove` ends it."""

    form: Form
    verb: str
    path: str
    user: str
    skip: int
    every: int
    times: int | None
    code: int = 0
    seconds: float = 0.0
    mutation: Mutation | None = None
    hits: int = 0
    _seen: int = field(default=0, repr=False)
    _forget: Callable[["Fault"], None] | None = field(default=None, repr=False)

    def remove(self) -> None:
        """Harmless to repeat."""
        if self._forget is not None:
            self._forget(self)

    def due(self, verb: str, path: str, user: str) -> bool:
        """Whether this request is one that it meets; counts it."""
        fits = fnmatchcase(verb, self.verb) and fnmatchcase(path, self.path) and fnmatchcase(user, self.user)
        if not fits or (self.times is not None and self.hits >= self.times):
            return False
        self._seen += 1
        if self._seen <= self.skip or (self._seen - self.skip - 1) % self.every:
            return False
        self.hits += 1
        return True

    def answer(self) -> Answer:
        """What is sent instead of an answer: of 429 the words of the real flow control, else a Status."""
        headers = {"Retry-After": f"{self.seconds:.0f}"} if self.seconds else {}
        if self.code == 429:
            text = b"Too many requests, please try again later.\n"
            return Answer(text, 429, "text/plain", headers | {"X-Content-Type-Options": "nosniff"})
        message = _MESSAGES.get(self.code, f"a fault on demand: {self.code}")
        details = {"retryAfterSeconds": int(self.seconds)} if self.seconds else None
        error = status_errors.StatusError(self.code, _REASONS.get(self.code, ""), message, details=details)
        answer = Answer.of(error.body(), self.code)
        answer.headers.update(headers)
        return answer


class Faults:
    """The faults in force. Patterns are shell patterns (`*`, `?`, `[...]`) on the Kubernetes verb ("patch", "watch"),
    the path without query and the user. By default a fault meets the next request only: `times` (None: until removed),
    `skip` the first ones, then `every` n-th.
    """

    def __init__(self, *, drop_watches: Callable[[], int], compact: Callable[[], None]) -> None:
        self._faults: list[Fault] = []
        self._lock = Lock()
        self._drop_watches = drop_watches
        self._compact = compact

    def refuse(
        self,
        code: int,
        *,
        retry_after_seconds: int | None = None,
        verb: str = "*",
        path: str = "*",
        user: str = "*",
        skip: int = 0,
        every: int = 1,
        times: int | None = 1,
    ) -> Fault:
        """Answers with a code from 400 on and does nothing; 429 says Retry-After 1 if nothing else is said."""
        if not 400 <= code <= 599:
            raise ValueError(f"code must be between 400 and 599, not {code}")
        seconds = (1 if code == 429 else 0) if retry_after_seconds is None else retry_after_seconds
        return self._add(Fault("refuse", verb, path, user, skip, every, times, code=code, seconds=seconds))

    def delay(
        self,
        seconds: float,
        *,
        verb: str = "*",
        path: str = "*",
        user: str = "*",
        skip: int = 0,
        every: int = 1,
        times: int | None = 1,
    ) -> Fault:
        """Lets the request wait, in real seconds, before it is looked at.

        As behind a slow webhook it is answered with 504 when its time is over (`timeout` of the query, else a minute),
        and is not carried out after that, nor once its client has gone.
        """
        if seconds < 0:
            raise ValueError(f"seconds must be 0 or more, not {seconds}")
        return self._add(Fault("delay", verb, path, user, skip, every, times, seconds=seconds))

    def cut(
        self,
        when: Literal["before", "after", "half"],
        *,
        verb: str = "*",
        path: str = "*",
        user: str = "*",
        skip: int = 0,
        every: int = 1,
        times: int | None = 1,
    ) -> Fault:
        """Closes the connection: before or after the request is carried out, or half through the answer."""
        forms: dict[str, Form] = {"before": "cut_before", "after": "cut_after", "half": "half"}
        if when not in forms:
            raise ValueError(f"when must be before, after or half, not {when!r}")
        return self._add(Fault(forms[when], verb, path, user, skip, every, times))

    def mutate(
        self,
        mutation: Mutation,
        *,
        verb: str = "*",
        path: str = "*",
        user: str = "*",
        skip: int = 0,
        every: int = 1,
        times: int | None = None,
    ) -> Fault:
        """Gives every object that is created or replaced to a function, which changes it or returns another."""
        return self._add(Fault("mutate", verb, path, user, skip, every, times, mutation=mutation))

    def drop_watches(self) -> int:
        """Cuts every open watch and log at once; how many there were."""
        return self._drop_watches()

    def compact(self) -> None:
        """Makes every watch position and continue token of the past 410, as a compaction of etcd does."""
        self._compact()

    def clear(self) -> None:
        """Ends all faults."""
        with self._lock:
            self._faults.clear()

    def _add(self, fault: Fault) -> Fault:
        if fault.every < 1 or fault.skip < 0:
            raise ValueError("every must be 1 or more, skip 0 or more")
        fault._forget = self._remove
        with self._lock:
            self._faults.append(fault)
        return fault

    def _remove(self, fault: Fault) -> None:
        with self._lock:
            if fault in self._faults:
                self._faults.remove(fault)

    def met_by(self, verb: str, path: str, user: str) -> list[Fault]:
        """The faults that one request meets, mutations aside. For the server."""
        return self._due(verb, path, user, mutations=False)

    def mutated(self, verb: str, path: str, user: str, obj: Object) -> Object:
        """The object that a write goes on with. For the server."""
        for fault in self._due(verb, path, user, mutations=True):
            if fault.mutation is not None:
                obj = fault.mutation(obj) or obj
        return obj

    def _due(self, verb: str, path: str, user: str, *, mutations: bool) -> list[Fault]:
        if not self._faults:
            return []
        with self._lock:
            chosen = [one for one in self._faults if (one.form == "mutate") is mutations]
            return [one for one in chosen if one.due(verb, path, user)]
