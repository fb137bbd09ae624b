"""The few words of shell, restart rules, users: what is decided without a cluster."""

from typing import Any

import pytest

from simulator.kubelet import shell
from simulator.kubelet.execution import Surroundings, plan
from simulator.kubelet.programs import Needs, Program
from simulator.kubelet.references import ConfigError, read_only_paths
from simulator.kubelet.restarts import restarts_after
from simulator.kubelet.shell import Ran
from simulator.kubelet.users import refuse_user


@pytest.mark.parametrize(
    ("script", "ran"),
    [
        ("echo one; sleep 2; echo two", Ran(0, ("one", "two"), 2.0)),
        ("false || echo saved", Ran(0, ("saved",), 0.0)),
        ("false && echo never", Ran(1, (), 0.0)),
        ("nope", Ran(127, ("sh: nope: not found",), 0.0)),
        ("exit 300", Ran(44, (), 0.0)),
        ("[ -f /there ] && exit 0; exit 5", Ran(0, (), 0.0)),
        ("test -f /missing || exit 6", Ran(6, (), 0.0)),
        ("while true; do echo tick; sleep 1; done", Ran(0, ("tick",), None)),
        ("sleep infinity", Ran(0, (), None)),
    ],
)
def test_a_script_ends_as_it_says(script: str, ran: Ran) -> None:
    assert shell.run(["sh", "-c", script], files={"/there"}) == ran


def test_a_program_that_is_nowhere_is_named() -> None:
    with pytest.raises(LookupError, match="/app/nope"):
        shell.run(["/app/nope"], files=())


@pytest.mark.parametrize(
    ("container", "policy", "code", "again"),
    [
        ({}, "Always", 0, True),
        ({}, "OnFailure", 0, False),
        ({}, "OnFailure", 1, True),
        ({}, "Never", 1, False),
        ({"restartPolicy": "Never"}, "Always", 1, False),
        ({"restartPolicy": "Always"}, "Never", 0, True),
    ],
)
def test_a_container_is_restarted_by_its_own_policy_before_the_pods(
    container: dict[str, Any], policy: str, code: int, again: bool
) -> None:
    assert restarts_after(container, policy, code) is again


def test_a_restart_rule_goes_by_the_exit_code() -> None:
    rule = {"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}
    container = {"restartPolicy": "Never", "restartPolicyRules": [rule]}
    assert restarts_after(container, "Never", 42)
    assert not restarts_after(container, "Never", 1)


def pod(**security: Any) -> dict[str, Any]:
    metadata = {"name": "web", "namespace": "shop", "uid": "1"}
    return {"metadata": metadata, "spec": {"securityContext": {"runAsNonRoot": True} | security}}


@pytest.mark.parametrize(
    ("security", "user", "text"),
    [
        ({}, "", "container has runAsNonRoot and image will run as root"),
        ({}, "0:0", "container has runAsNonRoot and image will run as root"),
        ({}, "app", "container has runAsNonRoot and image has non-numeric user (app), cannot verify user is non-root"),
        ({"runAsUser": 0}, "1000", "container's runAsUser breaks non-root policy"),
    ],
)
def test_who_may_not_be_root_is_refused_in_the_kubelets_words(security: Any, user: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        refuse_user(pod(**security), {"name": "main"}, user)
    assert str(caught.value) == f'{text} (pod: "web_shop(1)", container: main)'


def test_a_user_by_number_is_enough() -> None:
    refuse_user(pod(), {"name": "main"}, "1000")
    refuse_user(pod(runAsUser=5), {"name": "main"}, "")


def test_a_sealed_root_can_be_written_where_a_volume_is_mounted() -> None:
    spec = {"volumes": [{"name": "spool", "emptyDir": {}}, {"name": "config", "configMap": {"name": "c"}}]}
    container = {"name": "main", "securityContext": {"readOnlyRootFilesystem": True}}
    paths = ["/var/spool/app", "/etc/app/state"]
    assert read_only_paths({"spec": spec}, container, paths) == set(paths)
    mounts = [{"name": "spool", "mountPath": "/var/spool"}, {"name": "config", "mountPath": "/etc/app"}]
    assert read_only_paths({"spec": spec}, container | {"volumeMounts": mounts}, paths) == {"/etc/app/state"}
    assert read_only_paths({"spec": spec}, {"name": "main"}, paths) == set()


def last_words(program: Program, container: dict[str, Any], **around: Any) -> tuple[Any, Any]:
    end = plan(program, container, Surroundings(**around)).end
    assert end is not None
    return end.logs, end.code


def test_a_program_leaves_in_its_own_way() -> None:
    program = Program(flags=("--listen",), needs=Needs(writable=("/data",), code=7))
    assert last_words(program, {"args": ["--lisen=1"]}) == (("error: unknown flag: --lisen",), 2)
    assert last_words(program, {}, read_only={"/data"}) == (("fatal: open /data: read-only file system",), 7)
    assert plan(program, {"args": ["--listen=1"]}, Surroundings()).end is None
