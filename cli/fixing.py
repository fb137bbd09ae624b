"""``fix``: one pass on one workload, shown as it goes."""

from __future__ import annotations

from rich.console import Console

from app.composition import App, open_app
from app.place import commands_of
from app.settings import Settings
from cli.case import print_case
from cli.failures import Exit, fail
from cli.speaking import say
from graph.observe import spoken_signal
from graph.runner import InFlight, TryLater
from incidents.decisions import RequestState
from incidents.incident import Incident, Outcome, Status
from incidents.objects import WORKLOADS, Kind, reference
from incidents.policy import Mode
from incidents.signals import Source
from tools.cluster.errors import NotFound
from tools.scrub import plain_text


async def fix_workload(settings: Settings, workload: str, namespace: str) -> int:
    """Work on the workload and answer the exit code: 0 if it is well afterwards. Raises ClusterError, StoreError."""
    kind, name = _target(workload)
    console = Console(stderr=True)

    def show(_: Incident, node: str, text: str) -> None:
        console.print(f"[bold cyan]{node:>10}[/]  ", end="")
        console.print(plain_text(text, keep="\n"), markup=False, highlight=False, overflow="fold")

    async with open_app(settings, progress=show) as app:
        incident = await _open(app, kind, namespace, name)
        if incident.status is Status.WAITING and not app.policy.mode.acts:
            await print_case(app.store, incident.id, Console())  # to run it would end the question as unanswered
            await _what_next(app, incident, workload, namespace)
            return Exit.NOT_REPAIRED
        try:
            ended = await app.runner.run(incident)
        except InFlight as error:
            raise fail(f"{error}{await _held(app, incident)}", Exit.NOT_REPAIRED) from None
        except TryLater as error:
            raise fail(str(error), Exit.UNREACHABLE) from None
        await print_case(app.store, ended.id, Console())
        await _what_next(app, ended, workload, namespace)
        return Exit.OK if ended.outcome in (Outcome.RESOLVED, Outcome.SUPPRESSED) else Exit.NOT_REPAIRED


async def _what_next(app: App, incident: Incident, workload: str, namespace: str) -> None:
    """What has to happen before the work goes on, where it has not ended."""
    if incident.status is Status.OPEN and incident.parked_until is not None:
        say(f"\nDeferred until {incident.parked_until:%Y-%m-%d %H:%M:%S} UTC: {incident.summary}")
    for request in await app.store.requests_of(incident.id) if incident.status is Status.WAITING else ():
        if request.state is RequestState.OPEN:
            say(f"\nWaits for a person; to approve exactly this: {commands_of(app.settings).approve(request.id)}")
            mode = app.policy.mode if app.policy.mode.acts else Mode.APPROVE
            again = commands_of(app.settings).spoken("fix", workload, "-n", namespace, "--mode", mode.value)
            say(f"Then, if no daemon runs on this store: {again}")


async def _held(app: App, incident: Incident) -> str:
    """Who has the subject, and until when: a process that has died on this machine has been passed over already."""
    lease = await app.store.lease(incident.subject.lease)
    if lease is None:
        return "; it has just been given back: try again"
    return f": {lease.holder} holds it for {lease.seconds_left:.0f} s more, and longer only if it lives; try again then"


def _target(workload: str) -> tuple[Kind, str]:
    written, _, name = workload.rpartition("/")
    kinds = {title.lower(): kind for title, kind in WORKLOADS.items()}
    kind = kinds.get((written or "deployment").lower())
    if kind is None:
        known = ", ".join(sorted(kinds))
        raise fail(f"{written!r} is not a kind it works on; write one of {known}", Exit.UNKNOWN_NAME)
    return kind, name


async def _open(app: App, kind: Kind, namespace: str, name: str) -> Incident:
    if not app.policy.covers(namespace):
        raise fail(f"namespace {namespace} is excluded by the settings", Exit.SETTING)
    try:
        found = await app.reader.get(kind, namespace, name)
    except NotFound as error:
        raise fail(str(error), Exit.UNKNOWN_NAME) from None
    about = reference({"apiVersion": kind.api_version, "kind": kind.kind, **found})
    subject = await app.owners.subject(about)
    if subject is None:
        raise fail(f"{about} belongs to nothing this program works on", Exit.UNKNOWN_NAME)
    signal = spoken_signal(about, "asked for on the command line", app.clock.now(), Source.REQUEST)
    incident, _ = await app.store.open_or_join(subject, signal)
    if incident.status is not Status.HANDED_OVER:
        return incident
    # Somebody who asks for it by name has decided that it is to be tried again.
    await app.store.note(incident.id, "closed", because="a person has asked for another try")
    return await app.store.succeed(incident, signal)
