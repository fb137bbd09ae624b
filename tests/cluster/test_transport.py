"""Requests and their errors: what is repeated, what is not, and what an error says and does not say."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import stamina
import yaml

from incidents.objects import ChangeId, ObjectRef, Uid
from tests.cluster.api_script import ApiScript, reply, status
from tools.cluster.errors import (
    Busy,
    ClusterError,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    Misconfigured,
    NotFound,
    ServerFailed,
    Unauthorized,
    Unreachable,
)
from tools.cluster.reader import Reader
from tools.cluster.transport import connect
from tools.cluster.writer import Writer

TARGET = ObjectRef(api_version="apps/v1", kind="Deployment", namespace="shop", name="web", uid=Uid("u"))
CHANGE = ChangeId("0000-change")


async def refused(code: int, **headers: str) -> tuple[Exception, ApiScript]:
    """What a PATCH raises when the server answers with that code."""
    async with ApiScript() as api:
        api.lists.append(status(code, "SomeReason", "the server says why", **headers))
        transport = await connect(user_agent="tests", kubeconfig=api.kubeconfig)
        try:
            with pytest.raises(ClusterError) as raised:
                await Writer(transport).apply(TARGET, [], change=CHANGE)
        finally:
            await transport.aclose()
        return raised.value, api


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (410, Gone),
        (422, Invalid),
        (429, Busy),
        (500, ServerFailed),
        (503, Busy),
    ],
)
async def test_every_refusal_has_a_type_and_the_servers_own_words(code: int, error: type[ClusterError]) -> None:
    raised, _ = await refused(code)
    assert type(raised) is error
    assert str(raised) == "the server says why"
    assert isinstance(raised, ClusterError)
    assert (raised.code, raised.reason) == (code, "SomeReason")


async def test_the_servers_wish_to_be_left_alone_is_kept_in_the_error() -> None:
    raised, _ = await refused(429, Retry_After="23")
    assert isinstance(raised, Busy)
    assert raised.retry_after_seconds == 23


@pytest.mark.parametrize("code", [429, 500, 503])
async def test_a_write_is_never_repeated(code: int) -> None:
    _, api = await refused(code)
    assert [asked.method for asked in api.asked] == ["PATCH"]


async def test_a_write_carries_the_changes_id_and_the_field_manager() -> None:
    _, api = await refused(422)
    assert api.asked[0].headers["User-Agent"] == f"tests change/{CHANGE}"
    assert api.asked[0].query["fieldManager"] == "k8s-auto-fixer"


async def test_a_read_is_repeated_while_the_server_is_busy_and_answers_in_the_end() -> None:
    async with ApiScript() as api:
        api.lists.extend([status(503, "Unavailable", "not now"), reply(200, {"gitVersion": "v1.36.3"})])
        transport = await connect(user_agent="tests", kubeconfig=api.kubeconfig)
        with stamina.set_testing(True, attempts=3, cap=True):
            assert await Reader(transport).version() == "v1.36.3"
        await transport.aclose()
    assert len(api.asked) == 2


@pytest.mark.parametrize("code", [401, 403, 404, 422])
async def test_a_read_that_is_refused_is_not_repeated(code: int) -> None:
    async with ApiScript() as api:
        api.lists.append(status(code, "No", "no"))
        transport = await connect(user_agent="tests", kubeconfig=api.kubeconfig)
        with pytest.raises(ClusterError):
            await Reader(transport).version()
        await transport.aclose()
    assert len(api.asked) == 1


async def test_no_answer_is_an_error_that_names_the_server_and_no_credential() -> None:
    async with ApiScript() as api:
        kubeconfig: dict[str, Any] = api.kubeconfig
        kubeconfig["clusters"][0]["cluster"]["server"] += "/as/path-credential"
    transport = await connect(user_agent="tests", kubeconfig=kubeconfig)
    with stamina.set_testing(True, attempts=2, cap=True), pytest.raises(Unreachable) as raised:
        await Reader(transport).version()
    await transport.aclose()
    assert "127.0.0.1" in str(raised.value)
    assert "credential" not in str(raised.value)
    assert "very-secret-token" not in str(raised.value)


@pytest.mark.parametrize("body", [["a list"], "text"])
async def test_an_answer_that_is_no_object_is_an_error_of_ours(body: Any) -> None:
    async with ApiScript() as api:
        api.lists.append(reply(200, body))
        transport = await connect(user_agent="tests", kubeconfig=api.kubeconfig)
        with pytest.raises(ClusterError, match="not a JSON object"):
            await Reader(transport).version()
        await transport.aclose()


@pytest.mark.parametrize("content", [None, "not: [a kubeconfig", "{}", "clusters: 7"])
async def test_a_kubeconfig_that_cannot_be_used_is_named_with_the_remedy(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)
    with pytest.raises(Misconfigured, match="--kubeconfig FILE") as raised:
        await connect(user_agent="tests", kubeconfig=path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def _kubeconfig(cluster: Any = None, user: Any = None, **fields: Any) -> str:
    content = {
        "clusters": [{"name": "k", "cluster": {"server": "https://127.0.0.1:6443"} | (cluster or {})}],
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "users": [{"name": "u", "user": {"token": "very-secret-token"} if user is None else user}],
        "current-context": "c",
    }
    return yaml.safe_dump(content | fields)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no such file"),
        ("", "is empty"),
        ("dear cluster,\nplease work", "is no kubeconfig"),
        ("a: 'very-secret-token\nb: [", "is not YAML .line "),
        (_kubeconfig(**{"current-context": None}), "current-context: is not set"),
        (
            _kubeconfig(**{"current-context": "elsewhere"}),
            "current-context: there is no context 'elsewhere'.*there is: c",
        ),
        (_kubeconfig(users=[]), r"contexts\[c\].context.user: there is no user 'u'"),
        (_kubeconfig({"server": "not a url"}), r"clusters\[k\].cluster.server: is no address"),
        (_kubeconfig({"server": "127.0.0.1:6443"}), r"clusters\[k\].cluster.server: is no address"),
        (_kubeconfig({"server": None}), r"clusters\[k\].cluster.server: is no address"),
        (
            _kubeconfig({"certificate-authority-data": "!!"}),
            r"cluster.certificate-authority-data: is no base64 of a PEM",
        ),
        (_kubeconfig({"certificate-authority-data": "aGVsbG8="}), "certificate-authority-data: is no base64 of a PEM"),
        (_kubeconfig({"certificate-authority-data": "LS0tLS1CRUdJTiBYCg=="}), "a certificate or its key"),
        (_kubeconfig({"certificate-authority": "ca.crt"}), "certificate-authority: ca.crt cannot be read"),
        (_kubeconfig(user={"client-key-data": "aGVsbG8="}), r"users\[u\].user.client-key-data: is no base64 of a PEM"),
        (
            _kubeconfig(user={"exec": {"command": "no-such-plugin"}}),
            r"users\[u\].user.exec.command: .*'no-such-plugin'",
        ),
    ],
)
async def test_what_is_wrong_with_a_kubeconfig_is_one_line_with_its_file_and_its_field(
    tmp_path: Path, content: str | None, said: str
) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)
    with pytest.raises(Misconfigured, match=said) as raised:
        await connect(user_agent="tests", kubeconfig=path)
    assert str(raised.value).startswith(f"{path}: ")
    assert "--kubeconfig FILE" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("command", ["false", "./login"])
async def test_a_program_that_should_log_in_and_does_not_is_named_and_nothing_else_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, command: str
) -> None:
    beside = tmp_path / "login"  # a path is meant from where the kubeconfig is
    beside.write_text("#!/bin/sh\nexit 1\n")
    beside.chmod(0o700)
    path = tmp_path / "kubeconfig"
    path.write_text(_kubeconfig(user={"exec": {"command": command, "apiVersion": "client.authentication.k8s.io/v1"}}))
    with pytest.raises(Misconfigured, match=rf"exec\.command: '{command}' has given no credentials"):
        await connect(user_agent="tests", kubeconfig=path)
    assert caplog.records == []


def _homeless() -> Path:
    raise RuntimeError("Could not determine home directory.")


@pytest.mark.parametrize("kubeconfig", [None, Path("~/config")], ids=str)
async def test_a_user_without_a_home_is_told_to_name_the_kubeconfig(
    monkeypatch: pytest.MonkeyPatch, kubeconfig: Path | None
) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setattr(Path, "expanduser", lambda _: _homeless())
    with pytest.raises(Misconfigured, match=r"no home folder .*--kubeconfig FILE"):
        await connect(user_agent="tests", kubeconfig=kubeconfig)


async def test_a_pod_needs_no_home_for_its_service_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", _homeless)
    monkeypatch.setattr(Path, "expanduser", lambda _: _homeless())
    with pytest.raises(Misconfigured, match=r"^the pod's service account cannot be used: Service host/port is not set"):
        await connect(user_agent="tests", in_cluster=True)


async def test_why_the_server_cannot_be_reached_is_said_in_words() -> None:
    async with ApiScript() as api:
        kubeconfig = api.kubeconfig
    transport = await connect(user_agent="tests", kubeconfig=kubeconfig)
    with pytest.raises(Unreachable, match=r"the API server at 127.0.0.1:\d+ cannot be reached: Connection refused$"):
        await transport.send("GET", "/version")
    await transport.aclose()


async def test_an_unknown_context_is_named(tmp_path: Path) -> None:
    async with ApiScript() as api:
        with pytest.raises(Misconfigured, match="elsewhere"):
            await connect(user_agent="tests", kubeconfig=api.kubeconfig, context="elsewhere")


async def test_a_request_waits_for_no_other_thread() -> None:
    """Two hand-overs before each request, for a proxy and for ~/.netrc, cost more than the request itself."""

    class Nobody(ThreadPoolExecutor):
        def submit(self, *_: Any, **__: Any) -> Any:
            raise AssertionError("a thread was asked")

    async with ApiScript() as api:
        api.lists.append(reply(200, {"kind": "List", "items": []}))
        transport = await connect(user_agent="tests", kubeconfig=api.kubeconfig)
        asyncio.get_running_loop().set_default_executor(Nobody())
        try:
            await transport.read("/api/v1/pods")
        finally:
            await transport.aclose()


async def test_the_proxy_of_the_environment_is_asked_unless_it_is_told_to_stay_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with ApiScript() as away:
        kubeconfig = away.kubeconfig
    async with ApiScript() as proxy:
        monkeypatch.setenv("http_proxy", proxy.server)
        for bypassed, error in (("elsewhere", nullcontext()), ("127.0.0.1", pytest.raises(Unreachable))):
            monkeypatch.setenv("no_proxy", bypassed)
            transport = await connect(user_agent="tests", kubeconfig=kubeconfig)
            with error:
                await transport.send("GET", "/api/v1/pods")
            await transport.aclose()
        assert [asked.path for asked in proxy.asked] == ["/api/v1/pods"]
