"""The commands that people are told work where they are typed."""

from pathlib import Path

import msgspec
import pytest

from agents.case_notice import told_undo
from agents.commands import Commands
from app.place import commands_of, in_pod
from app.settings import Settings
from incidents.changes import Inverse, InverseKind
from tests.builders import change


def test_on_a_machine_of_ones_own_the_command_is_the_program_with_its_store() -> None:
    assert Commands().approve("r") == "k8s-auto-fixer approve r"
    assert Commands(store=Path("/my stores/s.sqlite")).retry("i") == (
        "k8s-auto-fixer retry i --store '/my stores/s.sqlite'"
    )


def test_in_a_pod_it_is_reached_through_kubectl_and_whoever_decides_says_who_they_are() -> None:
    commands = Commands(namespace="fixer")
    reach = "kubectl exec -n fixer deploy/k8s-auto-fixer -- k8s-auto-fixer"
    assert commands.approve("r") == f"{reach} approve r --as NAME"
    assert commands.reject("r") == f"{reach} reject r --reason TEXT --as NAME"
    assert commands.undo("c", despite_kill_switch=True) == f"{reach} undo c --despite-kill-switch --as NAME"
    assert commands.show("i") == f"{reach} incidents i"


def test_the_settings_and_the_place_decide_which_it_is(
    clean_environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert not in_pod()
    assert commands_of(Settings()) == Commands()
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert commands_of(Settings(lease_namespace="fixer", store=Path("s"))) == Commands(
        namespace="fixer", store=Path("s").absolute()
    )


def test_of_a_change_that_cannot_be_taken_back_it_is_said_so_and_no_command_is_told() -> None:
    for_good = change(inverse=Inverse(operations=(), kind=InverseKind.NONE))
    assert told_undo(for_good, Commands()) == f"# change change-1 of {for_good.target} stays: it cannot be taken back"


def test_an_undo_that_would_carry_what_may_be_secret_is_told_as_the_programs_own_command() -> None:
    commands = Commands(namespace="fixer")
    plain = change()
    assert told_undo(plain, commands).startswith("kubectl -n shop patch deployment web")
    for place in ("env", "args", "command"):
        write = {"op": "replace", "path": f"/spec/template/spec/containers/0/{place}/0", "value": "hunter2"}
        whole = {"op": "replace", "path": "/spec/template/spec/containers/0", "value": {place: ["hunter2"]}}
        for operation in (write, whole):
            carrying = msgspec.structs.replace(plain, inverse=Inverse(operations=(operation,)))
            assert told_undo(carrying, commands) == commands.undo(plain.id)
