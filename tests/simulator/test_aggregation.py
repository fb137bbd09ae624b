"""What the aggregation layer promises beyond what both sides show: bounds, plain http, authorities, recovery."""

import ssl
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from simulator.apiserver.aggregation_discovery import listed_resources, ordered_groups, version_shown
from tests.backend import Backend, running_backend
from tests.simulator.conftest import Api

REGISTRATIONS = "/apis/apiregistration.k8s.io/v1/apiservices"
GROUP = "echo.example"
NAME = f"v1.{GROUP}"
THINGS = f"/apis/{GROUP}/v1/things"
_PATIENCE_SECONDS = 15.0


def eventually(look: Callable[[], bool]) -> None:
    """Returns once `look` is true; fails after a generous deadline."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not look():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@pytest.fixture
def backend() -> Iterator[Backend]:
    """Speaks plain http."""
    with running_backend() as running:
        yield running


def registration(port: int, **spec: Any) -> Any:
    reference = {"name": "echo", "namespace": "default", "port": port}
    stated = {"group": GROUP, "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 100, **spec}
    head = {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": NAME}}
    return head | {"spec": stated | {"service": reference}}


def service(host: str = "localhost", port: int = 0) -> Any:
    """Leads to `host`, without TLS if a port is given."""
    spec: dict[str, Any] = {"type": "ExternalName", "externalName": host}
    if port:
        spec["ports"] = [{"port": port, "appProtocol": "http"}]
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "echo"}, "spec": spec}


def condition(api: Api) -> tuple[str, str, str]:
    found = api.get(f"{REGISTRATIONS}/{NAME}")["status"].get("conditions") or [{}]
    return found[0].get("status", ""), found[0].get("reason", ""), found[0].get("message", "")


def pass_on(api: Api, backend: Backend) -> None:
    api.create("/api/v1/namespaces/default/services", service(port=backend.port))
    api.create(REGISTRATIONS, registration(backend.port, insecureSkipTLSVerify=True))
    eventually(lambda: condition(api) == ("True", "Passed", "all checks passed"))


def authority(folder: Path, name: str) -> tuple[bytes, ssl.SSLContext]:
    """A certificate made out to `name` that vouches for itself, and a server's context with it."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    found = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    text = found.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "server.pem"
    file.write_bytes(secret + text)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return text, context


def test_a_port_that_says_http_is_spoken_to_without_tls(api: Api, backend: Backend) -> None:
    pass_on(api, backend)
    assert api.get(THINGS) == {"kind": "Thing", "apiVersion": f"{GROUP}/v1"}
    assert backend.asked[0].all("X-Forwarded-Proto") == ["http"]


def test_an_answer_of_unknown_length_is_streamed_whole(api: Api, backend: Backend) -> None:
    pass_on(api, backend)
    assert api.http.get(f"{THINGS}/big").content == b"x" * (32 * 0x10000)
    eventually(lambda: api.server.open_streams == 0)


def test_a_request_that_a_client_gives_up_leaves_nothing_open(api: Api, backend: Backend) -> None:
    pass_on(api, backend)
    with api.http.stream("GET", f"{THINGS}/big") as answer:
        assert answer.status_code == 200
    eventually(lambda: api.server.open_streams == 0)
    assert api.get(THINGS)["kind"] == "Thing"


def test_the_authority_of_the_registration_is_the_one_that_counts(api: Api, tmp_path: Path) -> None:
    trusted, context = authority(tmp_path, "echo.default.svc")
    other, _ = authority(tmp_path, "echo.default.svc")
    api.create("/api/v1/namespaces/default/services", service())
    with running_backend(context) as backend:
        api.create(REGISTRATIONS, registration(backend.port, caBundle=b64encode(trusted).decode()))
        eventually(lambda: condition(api)[1] == "Passed")
        assert api.get(THINGS)["kind"] == "Thing"
        api.patch(f"{REGISTRATIONS}/{NAME}", {"spec": {"caBundle": b64encode(other).decode()}})
        eventually(lambda: condition(api)[1] == "FailedDiscoveryCheck")
        assert "tls: failed to verify certificate: x509: " in condition(api)[2]
        assert api.http.get(THINGS).status_code == 503
        api.patch(f"{REGISTRATIONS}/{NAME}", {"spec": {"caBundle": b64encode(b"nonsense").decode()}})
        eventually(lambda: condition(api)[1] == "FailedDiscoveryCheck")


@pytest.mark.parametrize("host", ["metrics.example", "192.0.2.1"])
def test_nothing_beyond_loopback_is_dialled(api: Api, host: str) -> None:
    api.create("/api/v1/namespaces/default/services", service(host))
    api.create(REGISTRATIONS, registration(443, insecureSkipTLSVerify=True))
    eventually(lambda: condition(api)[1] == "FailedDiscoveryCheck")
    assert condition(api)[2].endswith(f"dial tcp {host}:443: connect: no route to host")


def test_a_service_that_comes_later_makes_the_group_available_at_once(api: Api, backend: Backend) -> None:
    api.create(REGISTRATIONS, registration(backend.port, insecureSkipTLSVerify=True))
    eventually(lambda: condition(api)[1] == "ServiceNotFound")
    assert api.http.get(THINGS).text == "service unavailable\n"
    api.create("/api/v1/namespaces/default/services", service(port=backend.port))
    eventually(lambda: condition(api)[1] == "Passed")
    api.delete("/api/v1/namespaces/default/services/echo")
    eventually(lambda: condition(api)[1] == "ServiceNotFound")


def test_a_backend_that_has_gone_away_is_503(api: Api) -> None:
    with running_backend() as backend:
        pass_on(api, backend)
    answer = api.http.get(THINGS)
    assert (answer.status_code, answer.headers["Content-Type"]) == (503, "text/plain; charset=utf-8")
    assert answer.text.startswith("error trying to reach service: ")


def test_a_registration_without_a_service_takes_the_group_back(api: Api, backend: Backend) -> None:
    pass_on(api, backend)
    api.patch(f"{REGISTRATIONS}/{NAME}", {"spec": {"service": None, "insecureSkipTLSVerify": None}})
    assert api.http.get(THINGS).status_code == 404
    assert GROUP not in [one["name"] for one in api.get("/apis")["groups"]]


def test_versions_of_a_group_are_ordered_by_priority_and_then_by_age() -> None:
    def one(version: str, priority: int) -> Any:
        spec = {"group": "a", "version": version, "groupPriorityMinimum": 5, "versionPriority": priority}
        return {"spec": spec | {"service": {}}}

    registrations = [one("v1beta1", 10), one("v2", 10), one("v10", 10), one("odd", 10), one("v1", 20)]
    assert ordered_groups({}, registrations) == {"a": ["v1", "v10", "v2", "v1beta1", "odd"]}


def test_what_is_served_without_a_registration_comes_last() -> None:
    local = {"spec": {"group": "apps", "version": "v1", "groupPriorityMinimum": 5, "versionPriority": 5}}
    assert list(ordered_groups({"unknown": ["v1"], "apps": ["v1"]}, [local])) == ["apps", "unknown"]
    assert ordered_groups({}, [local]) == {}, "and what is registered but not served is not shown"


@pytest.mark.parametrize("body", [None, [], {"kind": "Status"}, {"kind": "APIResourceList", "resources": {}}])
def test_a_list_of_resources_that_is_none_is_stale(body: Any) -> None:
    assert listed_resources(body) is None
    assert version_shown("v1", None, fresh=False) == {"version": "v1", "freshness": "Stale"}
