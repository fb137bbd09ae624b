"""The commands and their flags."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.auditing import audit_app
from cli.cluster import cluster_app
from cli.failures import Exit, clear_failures, fail
from cli.options import Config, StoreFile
from cli.recorded import case_app

app = typer.Typer(
    help="Turns Kubernetes Warning events into verified repairs, and undoes what did not help.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(cluster_app, name="cluster")
app.add_typer(audit_app, name="audit")
app.add_typer(case_app, name="case")

Kubeconfig = Annotated[Path | None, typer.Option(help="kubeconfig file; without it KUBECONFIG, then ~/.kube/config")]
Context = Annotated[str | None, typer.Option(help="context of the kubeconfig; without it the current one")]
InCluster = Annotated[bool | None, typer.Option("--in-cluster", help="use the pod's own service account")]
ModeFlag = Annotated[str | None, typer.Option("--mode", help="observe, suggest (default), approve or auto")]
Alone = Annotated[bool | None, typer.Option("--alone", help="do not look who else works on this cluster")]
Signed = Annotated[str | None, typer.Option("--as", help="who you are; required in a pod")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="show debug lines too")]


def _version(wanted: bool) -> None:
    if wanted:
        from app.version import VERSION

        typer.echo(f"k8s-auto-fixer {VERSION}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="show the version and exit")
    ] = False,
) -> None:
    """Turns Kubernetes Warning events into verified repairs, and undoes what did not help."""
    from app.names import NameTaken, check_names

    try:
        check_names()
    except NameTaken as error:
        raise fail(str(error), Exit.NAME_TAKEN) from None


@app.command()
def demo(
    scenario: Annotated[list[str] | None, typer.Option(help="run this scenario only; may be repeated")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object last")] = False,
    speed: Annotated[float, typer.Option(min=0.1, max=50, help="how many times faster than real time")] = 20.0,
) -> None:
    """Break workloads on an embedded cluster and watch them being repaired. Needs no cluster and no key."""
    from cli.demo import run_demo

    with clear_failures():
        raise typer.Exit(asyncio.run(run_demo(scenario or [], as_json=as_json, speed=speed)))


@app.command()
def run(
    namespace: Annotated[list[str] | None, typer.Option("--namespace", "-n", help="namespace; may be repeated")] = None,
    mode: ModeFlag = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    in_cluster: InCluster = None,
    store: StoreFile = None,
    config: Config = None,
    listen: Annotated[
        str | None, typer.Option(help="HOST:PORT for /healthz, /readyz and /metrics; :PORT is every interface")
    ] = None,
    log_format: Annotated[str | None, typer.Option(help="auto, json or pretty")] = None,
    alone: Alone = None,
    verbose: Verbose = False,
) -> None:
    """Watch a cluster and work on what breaks, until interrupted."""
    from app.logs import configure_logging
    from cli.running import run_daemon

    with clear_failures():
        flags = _flags(kubeconfig, context, in_cluster, store, mode)
        flags |= {"alone": alone, "config": config, "listen": listen, "log_format": log_format}
        if namespace:
            flags["namespaces"] = tuple(namespace)
        settings = _settings(**flags)
        configure_logging(verbose=verbose, form=settings.log_format)
        asyncio.run(run_daemon(settings))


@app.command()
def fix(
    workload: Annotated[str, typer.Argument(help="KIND/NAME, such as deployment/web; a name alone is a deployment")],
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="its namespace")],
    mode: ModeFlag = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    in_cluster: InCluster = None,
    store: StoreFile = None,
    config: Config = None,
    alone: Alone = None,
    verbose: Verbose = False,
) -> None:
    """Work on one workload once. In mode suggest, show what would be changed and change nothing."""
    from app.logs import configure_logging
    from cli.fixing import fix_workload

    with clear_failures():
        settings = _settings(**_flags(kubeconfig, context, in_cluster, store, mode), alone=alone, config=config)
        configure_logging(verbose=verbose, quiet=not verbose)
        raise typer.Exit(asyncio.run(fix_workload(settings, workload, namespace)))


@app.command()
def incidents(
    incident: Annotated[str | None, typer.Argument(help="show this one, with timeline, evidence and diff")] = None,
    status: Annotated[
        list[str] | None, typer.Option(help="open, waiting, handed-over or closed; may be repeated")
    ] = None,
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", help="only of this namespace")] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="follow until interrupted")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
    store: StoreFile = None,
    config: Config = None,
) -> None:
    """List incidents, or show one."""
    from cli.case import Wanted, show_incidents

    with clear_failures():
        settings = _settings(**_flags(None, None, None, store, None), config=config)
        wanted = Wanted.parse(status or [], namespace)
        raise typer.Exit(asyncio.run(show_incidents(settings.store, incident, wanted, as_json=as_json, watch=watch)))


@app.command()
def approvals(
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
    store: StoreFile = None,
    config: Config = None,
) -> None:
    """List the changes that wait for a person."""
    from cli.deciding import show_approvals

    with clear_failures():
        raise typer.Exit(asyncio.run(show_approvals(_settings(store=store, config=config), as_json=as_json)))


@app.command()
def approve(
    request: Annotated[str, typer.Argument(help="its id, or the beginning of it; see `approvals`")],
    name: Signed = None,
    store: StoreFile = None,
    config: Config = None,
) -> None:
    """Approve one change, exactly as it was shown."""
    from cli.deciding import approve as decide

    with clear_failures():
        raise typer.Exit(asyncio.run(decide(_settings(store=store, config=config), request, name=name)))


@app.command()
def reject(
    request: Annotated[str, typer.Argument(help="its id, or the beginning of it; see `approvals`")],
    reason: Annotated[str, typer.Option("--reason", help="why, for whoever reads the case")],
    name: Signed = None,
    store: StoreFile = None,
    config: Config = None,
) -> None:
    """Reject one change; nothing is tried or asked again until somebody says `retry`."""
    from cli.deciding import reject as decide

    with clear_failures():
        raise typer.Exit(asyncio.run(decide(_settings(store=store, config=config), request, reason=reason, name=name)))


@app.command()
def retry(
    incident: Annotated[str, typer.Argument(help="the id of an incident that was handed over, or its beginning")],
    name: Signed = None,
    store: StoreFile = None,
    config: Config = None,
) -> None:
    """Have an incident that was handed over worked on anew."""
    from cli.deciding import retry as decide

    with clear_failures():
        raise typer.Exit(asyncio.run(decide(_settings(store=store, config=config), incident, name=name)))


@app.command()
def undo(
    change: Annotated[str, typer.Argument(help="the id of a change, or the beginning of it; see `incidents ID`")],
    despite_kill_switch: Annotated[
        bool, typer.Option("--despite-kill-switch", help="write although the kill switch is on")
    ] = False,
    name: Signed = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    in_cluster: InCluster = None,
    store: StoreFile = None,
    config: Config = None,
) -> None:
    """Take one change back, if nobody has changed its fields since."""
    from cli.undoing import undo_change

    with clear_failures():
        settings = _settings(**_flags(kubeconfig, context, in_cluster, store, None), config=config)
        raise typer.Exit(asyncio.run(undo_change(settings, change, despite_kill_switch=despite_kill_switch, name=name)))


@app.command(name="kill-switch")
def kill_switch(
    position: Annotated[str, typer.Argument(help="on, off or status")],
    reason: Annotated[str, typer.Option("--reason", help="why, for whoever finds it on")] = "",
    name: Signed = None,
    store: StoreFile = None,
    config: Config = None,
) -> None:
    """Stop every write within a second, undo included; list the changes that stay unverified."""
    from cli.switching import turn_kill_switch

    with clear_failures():
        raise typer.Exit(
            asyncio.run(turn_kill_switch(_settings(store=store, config=config), position, reason=reason, name=name))
        )


@app.command()
def pause(
    lasting: Annotated[str | None, typer.Option("--for", help="how long, such as 2h; without it until resume")] = None,
    reason: Annotated[str, typer.Option("--reason", help="why, for whoever finds it paused")] = "",
    name: Signed = None,
    store: StoreFile = None,
    config: Config = None,
) -> None:
    """Begin no new change; what is begun is verified and, if need be, undone."""
    from cli.switching import pause as hold

    with clear_failures():
        raise typer.Exit(
            asyncio.run(hold(_settings(store=store, config=config), lasting=lasting, reason=reason, name=name))
        )


@app.command()
def resume(name: Signed = None, store: StoreFile = None, config: Config = None) -> None:
    """End a pause."""
    from cli.switching import resume as go_on

    with clear_failures():
        raise typer.Exit(asyncio.run(go_on(_settings(store=store, config=config), name=name)))


@app.command()
def graph() -> None:
    """Print the supervisor graph as a mermaid diagram."""
    from cli.diagram import mermaid

    typer.echo(mermaid())


@app.command()
def playbooks(as_json: Annotated[bool, typer.Option("--json", help="for other programs")] = False) -> None:
    """List the failure families that are known without a model."""
    from cli.listing import show_playbooks

    with clear_failures():
        show_playbooks(as_json=as_json)


@app.command()
def doctor(
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    in_cluster: InCluster = None,
    store: StoreFile = None,
    mode: ModeFlag = None,
    config: Config = None,
    ask_model: Annotated[bool, typer.Option("--ask-model", help="send the model one test question")] = False,
) -> None:
    """Say what is configured, reachable and permitted."""
    from cli.doctor import examine

    with clear_failures():
        settings = _settings(**_flags(kubeconfig, context, in_cluster, store, mode), config=config)
        raise typer.Exit(asyncio.run(examine(settings, with_question=ask_model)))


def _settings(**flags: Any) -> Any:
    from app.logs import configure_logging
    from app.settings import load_settings

    configure_logging(quiet=True)  # of a command's own words there are enough; `run` and `fix -v` ask for more
    return load_settings(**flags)


def _flags(
    kubeconfig: Path | None, context: str | None, in_cluster: bool | None, store: Path | None, mode: str | None
) -> dict[str, Any]:
    return {"kubeconfig": kubeconfig, "context": context, "in_cluster": in_cluster, "store": store, "mode": mode}


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()
