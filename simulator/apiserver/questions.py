"""Kinds that are asked and not stored: who am I, may I."""

from collections.abc import Callable

from simulator.apiserver import status_errors
from simulator.apiserver.authentication import groups_of
from simulator.apiserver.call import Answer, Call
from simulator.apiserver.kinds import SELF_SUBJECT_ACCESS_REVIEW, SELF_SUBJECT_REVIEW
from simulator.apiserver.objects import Object
from simulator.apiserver.wire_form import decode


def _may_i(call: Call) -> Object:
    """Every known user may do everything; authorisation is not modelled."""
    return {"allowed": True, "reason": "every known user may do everything on the embedded cluster"}


def _who_am_i(call: Call) -> Object:
    return {"userInfo": {"username": call.user, "groups": groups_of(call.user)}}


_ANSWERS: dict[tuple[str, str], Callable[[Call], Object]] = {
    SELF_SUBJECT_ACCESS_REVIEW.key: _may_i,
    SELF_SUBJECT_REVIEW.key: _who_am_i,
}


async def answer_question(call: Call) -> Answer:
    """Raises StatusError 405 for a question nobody answers."""
    ask = _ANSWERS.get(call.kind.key)
    if ask is None:
        raise status_errors.method_not_allowed()
    return Answer.of(decode(call.kind, call.body, call.content_type) | {"status": ask(call)}, 201)
