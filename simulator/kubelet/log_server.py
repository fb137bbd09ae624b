"""The kubelet's log endpoint: ``/containerLogs/NAMESPACE/POD/CONTAINER``, as the API server calls it.

Query parameters as in the pod log subresource: ``previous``, ``tailLines``, ``sinceSeconds``, ``sinceTime``,
``limitBytes``, ``timestamps``, ``follow`` (new lines are looked for twice a second).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from aiohttp import web

from simulator.clock import SimClock, parse_time
from simulator.kubelet.container_state import ContainerState, LogLine

Find = Callable[[str, str, str], ContainerState | None]
_FOLLOW_SECONDS = 0.5
_WAITING = {
    "ErrImagePull": "image can't be pulled",
    "ImagePullBackOff": "trying and failing to pull image",
}


@dataclass(frozen=True)
class LogOptions:
    """What part of a log is asked for."""

    previous: bool = False
    follow: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    limit_bytes: int | None = None
    since: datetime | None = None


def log_app(find: Find, clock: SimClock) -> web.Application:
    """The endpoint over ``find(namespace, pod, container)``, which gives None for what is not here."""

    async def logs(request: web.Request) -> web.StreamResponse:
        info = request.match_info
        state = find(info["namespace"], info["pod"], info["container"])
        if state is None:
            text = f'container "{info["container"]}" in pod "{info["pod"]}" is not known here'
            raise web.HTTPNotFound(text=text)
        options = _options(request, clock)
        try:
            lines = chosen_run(state, info["pod"], previous=options.previous)
        except LogRefusedError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        body = render(lines, options)
        if not options.follow or not state.is_running:
            return web.Response(body=body, content_type="text/plain")
        return await _follow(request, state, options=options, clock=clock, body=body)

    app = web.Application()
    app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", logs)
    app.router.add_get("/healthz", _healthy)
    return app


class LogRefusedError(Exception):
    """There is no such log; the text is the kubelet's."""


def chosen_run(state: ContainerState, pod: str, *, previous: bool) -> list[LogLine]:
    """The lines of the run that is meant, as validateContainerLogStatus in pkg/kubelet/kubelet_pods.go chooses.

    While a container waits, its last run is both the present and the previous one. Raises ``LogRefusedError``.
    """
    where = f'container "{state.name}" in pod "{pod}"'
    ran_before = bool((state.last_state.get("terminated") or {}).get("containerID"))
    waiting = state.state.get("waiting")
    if previous and not ran_before:
        raise LogRefusedError(f"previous terminated {where} not found")
    if previous and waiting is None:
        return list(state.previous_logs or ())
    if waiting is not None and not ran_before:
        why = _WAITING.get(waiting["reason"], waiting["reason"])
        raise LogRefusedError(f"{where} is waiting to start: {why}")
    return list(state.logs)


def render(lines: Iterable[LogLine], options: LogOptions) -> bytes:
    """The text of the chosen lines, cut as the options ask."""
    chosen = [line for line in lines if options.since is None or line.at >= options.since]
    if options.tail_lines is not None:
        chosen = chosen[-options.tail_lines :] if options.tail_lines else []
    text = "".join(f"{_stamp(line) if options.timestamps else ''}{line.text}\n" for line in chosen)
    return text.encode()[: options.limit_bytes]


async def _follow(
    request: web.Request, state: ContainerState, *, options: LogOptions, clock: SimClock, body: bytes
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    await response.write(body)
    run, seen = state.container_id, len(state.logs)
    while state.is_running and state.container_id == run:
        await clock.sleep(_FOLLOW_SECONDS)
        fresh = list(state.logs)[seen:]
        if fresh:
            seen += len(fresh)
            await response.write(render(fresh, LogOptions(timestamps=options.timestamps)))
    await response.write_eof()
    return response


def _options(request: web.Request, clock: SimClock) -> LogOptions:
    query = request.query

    def number(name: str) -> int | None:
        text = query.get(name, "")
        if text and not text.isdecimal():
            raise web.HTTPBadRequest(text=f"{name} must be a whole number, not {text!r}")
        return int(text) if text else None

    since_seconds = number("sinceSeconds")
    since = clock.now() - timedelta(seconds=since_seconds) if since_seconds is not None else None
    if query.get("sinceTime"):
        since = parse_time(query["sinceTime"])
    return LogOptions(
        previous=query.get("previous") == "true",
        follow=query.get("follow") == "true",
        timestamps=query.get("timestamps") == "true",
        tail_lines=number("tailLines"),
        limit_bytes=number("limitBytes"),
        since=since,
    )


def _stamp(line: LogLine) -> str:
    return line.at.strftime("%Y-%m-%dT%H:%M:%S.%f000Z ")


async def _healthy(request: web.Request) -> web.Response:
    return web.Response(text="ok")
