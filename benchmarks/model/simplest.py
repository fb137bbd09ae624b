"""The simplest supervisor that one would write: `create_supervisor`, two ReAct workers, and the libraries' defaults.

Prompts are as short as the library's own example's. Nothing is cut, cached or summarised: by default nothing is.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from benchmarks.model.kubectl import Tool

MODEL = "gpt-5-mini"
STEPS = 60

_SUPERVISOR = (
    "You are a team supervisor managing an investigator and a fixer. For finding the cause of a problem in a Kubernetes"
    " cluster, use investigator. For repairing it, use fixer. Say at last what the cause is and what was done."
)
_INVESTIGATOR = (
    "You are a Kubernetes expert. Find the cause of the problem with kubectl. Always use one tool at a time."
)
_FIXER = "You are a Kubernetes expert. Repair the problem with kubectl, if it is certain what to change."


class Simplest:
    """The compiled supervisor. ``reading`` are the investigator's tools, ``writing`` the fixer's."""

    def __init__(self, base_url: str, *, reading: Sequence[Tool], writing: Sequence[Tool]) -> None:
        model = ChatOpenAI(model=MODEL, base_url=base_url, api_key=SecretStr("unused"))
        with warnings.catch_warnings():
            # Both are the libraries' documented way and on their way out; what they will be replaced by is not the
            # simplest supervisor any more.
            warnings.simplefilter("ignore")
            from langgraph.prebuilt import create_react_agent
            from langgraph_supervisor import create_supervisor

            workers = [
                create_react_agent(model, list(reading), prompt=_INVESTIGATOR, name="investigator"),
                create_react_agent(model, list(writing), prompt=_FIXER, name="fixer"),
            ]
            self._graph: Any = create_supervisor(workers, model=model, prompt=_SUPERVISOR).compile()

    async def work(self, words: str) -> str:
        """Work on one problem; the last words."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as above: they warn at run time too
            state = await self._graph.ainvoke(
                {"messages": [{"role": "user", "content": words}]}, {"recursion_limit": STEPS}
            )
        return str(state["messages"][-1].content)
