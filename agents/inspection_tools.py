"""The tools a model is given to look into a case. All of them only read, and none takes a namespace.

Each answers text between data marks, because it was written by strangers; what cannot be read is said in it. LangChain
is imported when the first tools are made: without a model nobody pays for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from agents.prompts import fenced
from evidence.inspection import Inspection

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

Told = Callable[..., Awaitable[str]]


def reading_tools(inspection: Inspection, *, opinions: str) -> list[BaseTool]:
    """The tools for one case. ``opinions``: why the playbooks are silent, or what they have said."""
    from langchain_core.tools import StructuredTool

    async def manifest(path: str = "") -> str:
        return await inspection.manifest(path)

    async def states() -> str:
        return await inspection.states()

    async def events() -> str:
        return await inspection.events()

    async def logs(container: str, previous: bool = False) -> str:
        return await inspection.logs(container, previous=previous)

    async def rollout_history() -> str:
        return await inspection.history()

    async def related(kind: str, name: str = "") -> str:
        return await inspection.related(kind, name)

    async def key_names() -> str:
        return await inspection.key_names()

    async def playbook_opinions() -> str:
        return opinions

    async def field_schema(path: str) -> str:
        return await inspection.schema(path)

    described: list[tuple[Told, str]] = [
        (
            manifest,
            "The workload's manifest at a field path such as /spec/template/spec/containers[web]; all if empty.",
        ),
        (states, "What fails, and how each container is."),
        (events, "Events about the workload and what it owns, newest first."),
        (logs, "The end of a container's log; previous=true is the run before this one."),
        (rollout_history, "Earlier revisions, what changed since, and which are known to work."),
        (
            related,
            "A Service, PersistentVolumeClaim, HorizontalPodAutoscaler, ResourceQuota, Node, Pod; names if no name.",
        ),
        (key_names, "ConfigMaps, Secrets and their keys that the pods refer to, and which are missing."),
        (playbook_opinions, "Why each playbook is not certain."),
        (field_schema, "What the API server says of a field: type, meaning, fields below it."),
    ]
    return [_tool(StructuredTool, reading, description) for reading, description in described]


def _tool(kind: Any, reading: Told, description: str) -> BaseTool:
    async def fence(**given: Any) -> str:
        return fenced(await reading(**given))

    # The schema of the arguments is read off the function's signature; what is called is its fenced form.
    made = kind.from_function(coroutine=reading, name=reading.__name__, description=description)
    tool: BaseTool = made.model_copy(update={"coroutine": fence})
    return tool
