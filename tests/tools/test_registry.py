"""Asking a registry for tags: only those allowed, only where they are allowed to be, only so much."""

import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from loopback_servers import RegistryServer, Scripted

from tools.registry import (
    RegistryClient,
    RegistryError,
    RegistryNotAllowed,
    RegistrySettings,
    RegistrySettingsError,
    RepositoryNotFound,
    parse_registry,
)
from tools.registry.addresses import is_public


def settings(server: RegistryServer, **changes: object) -> RegistrySettings:
    here = parse_registry(f"docker.io={server.origin}")
    given = {"registries": (here,), "request_seconds": 2.0, "deadline_seconds": 5.0} | changes
    return RegistrySettings(**given)  # type: ignore[arg-type]  # changes are named fields


async def test_the_tags_of_a_repository_are_listed_whatever_tag_the_image_has(registry_server: RegistryServer) -> None:
    async with RegistryClient(settings(registry_server)) as client:
        assert await client.tags("nginx:1.72") == ["1.25", "1.26", "1.27", "1.28", "latest"]
    (request,) = registry_server.requests
    assert (request.method, request.path) == ("GET", "/v2/library/nginx/tags/list")
    assert "Authorization" not in request.headers


async def test_every_page_is_read(registry_server: RegistryServer) -> None:
    registry_server.page = 2
    async with RegistryClient(settings(registry_server)) as client:
        assert await client.tags("nginx") == ["1.25", "1.26", "1.27", "1.28", "latest"]
    assert len(registry_server.requests) == 3


@pytest.mark.parametrize("bound", [{"most_pages": 2}, {"most_tags": 3}])
async def test_a_list_that_is_too_long_is_an_error_and_not_the_beginning_of_a_list(
    registry_server: RegistryServer, bound: dict[str, int]
) -> None:
    registry_server.page = 2
    async with RegistryClient(settings(registry_server, **bound)) as client:
        with pytest.raises(RegistryError, match="lists more tags"):
            await client.tags("nginx")


async def test_a_registry_that_is_not_named_is_not_asked(registry_server: RegistryServer) -> None:
    looked_up: list[str] = []

    async def look_up(host: str, port: int) -> list[str]:
        looked_up.append(host)
        return ["127.0.0.1"]

    async with RegistryClient(settings(registry_server), look_up=look_up) as client:
        for image in ("evil.example/x", f"127.0.0.1:{registry_server.port}/x", "docker.io.evil.example/x"):
            with pytest.raises(RegistryNotAllowed, match="add it to registries"):
                await client.tags(image)
        with pytest.raises(RegistryError, match="is not a tag"):
            await client.tags("nginx:a b")
    assert looked_up == []
    assert registry_server.requests == []


@pytest.mark.parametrize(
    "answer", [["127.0.0.1"], ["93.184.216.34", "10.0.0.1"], ["169.254.169.254"], ["::ffff:10.0.0.1"]]
)
async def test_a_name_that_leads_inside_is_refused_even_if_only_one_address_does(
    registry_server: RegistryServer, answer: list[str]
) -> None:
    async def look_up(host: str, port: int) -> list[str]:
        return answer

    named = (parse_registry("registry.example"),)
    async with RegistryClient(settings(registry_server, registries=named), look_up=look_up) as client:
        with pytest.raises(RegistryNotAllowed, match=r"not public: write registry\.example:443 into registries"):
            await client.tags("registry.example/x")


async def test_an_address_written_without_its_port_does_not_open_private_addresses() -> None:
    async with RegistryClient(RegistrySettings(registries=(parse_registry("127.0.0.1"),))) as client:
        with pytest.raises(RegistryNotAllowed, match="not public"):
            await client.tags("127.0.0.1/x")


async def test_the_connection_goes_to_the_address_that_was_checked(registry_server: RegistryServer) -> None:
    looked_up: list[tuple[str, int]] = []

    async def rebinding(host: str, port: int) -> list[str]:
        looked_up.append((host, port))
        return ["127.0.0.1"] if len(looked_up) == 1 else ["203.0.113.1"]

    named = parse_registry(f"registry.example=http://registry.example:{registry_server.port}")
    registry_server.tags["x"] = ["1"]
    async with RegistryClient(settings(registry_server, registries=(named,)), look_up=rebinding) as client:
        assert await client.tags("registry.example/x") == ["1"]
    assert looked_up == [("registry.example", registry_server.port)]


async def test_a_redirect_is_followed_on_the_same_host_only(registry_server: RegistryServer) -> None:
    port = registry_server.port
    registry_server.script(Scripted(307, "", {"Location": "/v2/library/nginx/tags/list?moved=1"}))
    async with RegistryClient(settings(registry_server)) as client:
        assert "1.27" in await client.tags("nginx")
        for elsewhere in (
            "http://169.254.169.254/latest/meta-data",
            f"http://localhost:{port}/v2/library/nginx/tags/list",
            f"http://127.0.0.1:{port + 1}/",
            f"https://127.0.0.1:{port}/",
            "//evil.example/x",
            "file:///etc/passwd",
            "",
        ):
            asked = len(registry_server.requests)
            registry_server.script(Scripted(302, "", {"Location": elsewhere}))
            with pytest.raises(RegistryError, match=r"another host|not an http"):
                await client.tags("nginx")
            assert len(registry_server.requests) == asked + 1
        registry_server.script(*[Scripted(302, "", {"Location": "/v2/"})] * 9)
        with pytest.raises(RegistryError, match="redirects without end"):
            await client.tags("nginx")


@pytest.mark.parametrize(
    "link", ["<http://evil.example/v2/library/nginx/tags/list>", "</v2/other/tags/list>", "</etc>"]
)
async def test_a_next_page_elsewhere_is_not_read(registry_server: RegistryServer, link: str) -> None:
    registry_server.script(Scripted(200, {"tags": ["1"]}, {"Link": f'{link}; rel="next"'}))
    async with RegistryClient(settings(registry_server)) as client:
        with pytest.raises(RegistryError, match=r"another host|not a page of this list"):
            await client.tags("nginx")
    assert len(registry_server.requests) == 1


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        (Scripted(404, {"errors": []}), RepositoryNotFound, "has no library/nginx"),
        (Scripted(403, "no"), RepositoryNotFound, "status 403"),
        (Scripted(401, "", {"WWW-Authenticate": 'Basic realm="x"'}), RepositoryNotFound, "wants a login"),
        (Scripted(500, "boom\x1b[31m"), RegistryError, r"status 500: boom \[31m"),
        (Scripted(200, "<html>"), RegistryError, "not JSON"),
        (Scripted(200, "[" * 100_000), RegistryError, "not JSON"),
        (Scripted(200, {"name": "x"}), RegistryError, "no list of tags"),
        (Scripted(200, b"x" * 300_000), RegistryError, "more than 200000 bytes"),
        (Scripted(200, b"x", {"Content-Encoding": "gzip"}), RegistryError, "encoding"),
        (Scripted(silent=True), RegistryError, "did not answer within"),
    ],
)
async def test_an_answer_that_is_none_says_what_it_means(
    registry_server: RegistryServer, answer: Scripted, kind: type[RegistryError], says: str
) -> None:
    registry_server.script(answer)
    bounds = {"most_page_bytes": 200_000, "request_seconds": 0.3}
    async with RegistryClient(settings(registry_server, **bounds)) as client:
        with pytest.raises(RegistryError, match=says) as caught:
            await client.tags("nginx")
    assert type(caught.value) is kind


async def test_tags_that_could_not_stand_in_a_reference_are_dropped(registry_server: RegistryServer) -> None:
    registry_server.tags["library/nginx"] = ["1.27", "a b", "x" * 200, "\x1b[31m", "../up", "1.28"]
    async with RegistryClient(settings(registry_server)) as client:
        assert await client.tags("nginx") == ["1.27", "1.28"]
        registry_server.script(Scripted(200, {"tags": None}), Scripted(200, {"tags": [1, None, "2", "2"]}))
        assert await client.tags("nginx") == []
        assert await client.tags("nginx") == ["2"]


async def test_a_registry_that_is_not_there_is_an_error() -> None:
    gone = RegistrySettings(registries=(parse_registry("docker.io=http://127.0.0.1:9"),))
    async with RegistryClient(gone) as client:
        with pytest.raises(RegistryError, match="not reachable"):
            await client.tags("nginx")


async def test_the_whole_question_has_a_deadline(registry_server: RegistryServer) -> None:
    registry_server.script(Scripted(silent=True))
    async with RegistryClient(settings(registry_server, deadline_seconds=0.1)) as client:
        with pytest.raises(RegistryError, match=r"within 0\.1 s"):
            await client.tags("nginx")


# --- tokens, which need https ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1 with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
async def tls_registry(certificate: Path) -> AsyncIterator[RegistryServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with RegistryServer(tls=context) as server:
        server.wants_token = True
        yield server


async def test_an_anonymous_token_is_fetched_and_used(tls_registry: RegistryServer, certificate: Path) -> None:
    tls_registry.page = 2
    async with RegistryClient(settings(tls_registry, ca_file=str(certificate))) as client:
        assert len(await client.tags("nginx")) == 5
    token_request = tls_registry.requests[1]
    assert token_request.path == "/token"
    assert token_request.query == {"scope": "repository:library/nginx:pull", "service": "fake registry"}
    assert "Authorization" not in token_request.headers
    assert [request.path for request in tls_registry.requests].count("/token") == 1


async def test_a_certificate_nobody_vouches_for_is_refused(tls_registry: RegistryServer) -> None:
    async with RegistryClient(settings(tls_registry)) as client:
        with pytest.raises(RegistryError, match="not reachable"):
            await client.tags("nginx")
    assert tls_registry.requests == []


@pytest.mark.parametrize(
    ("realm", "says"),
    [
        ("http://127.0.0.1/token", "not plain https"),
        ("https://evil.example/token", "'evil.example': add it to token_hosts"),
        ("https://127.0.0.1:1/token", "'127.0.0.1:1': add it to token_hosts"),
        ("https://user:pw@auth.docker.io/token", "not plain https"),
        ("https://auth.docker.io/token?scope=everything", "not plain https"),
        ("ftp://auth.docker.io/", "not an http"),
        ("token", "not an http"),
    ],
)
async def test_a_token_is_fetched_from_nowhere_else(
    tls_registry: RegistryServer, certificate: Path, realm: str, says: str
) -> None:
    tls_registry.realm = realm
    async with RegistryClient(settings(tls_registry, ca_file=str(certificate))) as client:
        with pytest.raises(RegistryError, match=says):
            await client.tags("nginx")
    assert len(tls_registry.requests) == 1


async def test_a_plain_http_registry_gets_no_token(registry_server: RegistryServer) -> None:
    registry_server.wants_token = True
    async with RegistryClient(settings(registry_server)) as client:
        with pytest.raises(RegistryNotAllowed, match="not plain https"):
            await client.tags("nginx")


async def test_a_token_that_is_none_is_an_error(tls_registry: RegistryServer, certificate: Path) -> None:
    challenge = {"WWW-Authenticate": f'Bearer realm="{tls_registry.origin}/token"'}
    async with RegistryClient(settings(tls_registry, ca_file=str(certificate))) as client:
        for answer, says in (
            (Scripted(200, {"token": "a\r\nX-Evil: 1"}), "without a token"),
            (Scripted(200, ["x"]), "without a token"),
            (Scripted(500, ""), "status 500"),
            (Scripted(401, ""), "without a login"),
        ):
            tls_registry.script(Scripted(401, "", challenge), answer)
            with pytest.raises(RegistryError, match=says):
                await client.tags("nginx")
        tls_registry.script(
            Scripted(401, "", challenge), Scripted(200, {"access_token": "t"}), Scripted(401, "", challenge)
        )
        with pytest.raises(RepositoryNotFound):
            await client.tags("nginx")


# --- settings and addresses -----------------------------------------------------------------------


def test_registries_are_read_as_they_are_written() -> None:
    hub = parse_registry("docker.io")
    assert (hub.origin, hub.explicit_port) == ("https://registry-1.docker.io:443", False)
    own = parse_registry("registry.example:5000")
    assert (own.name, own.origin, own.explicit_port) == ("registry.example:5000", "https://registry.example:5000", True)
    mirror = parse_registry("docker.io=http://[::1]:80")
    assert (mirror.name, mirror.origin, mirror.explicit_port) == ("docker.io", "http://[::1]:80", True)


@pytest.mark.parametrize(
    "text",
    ["", "=", "a=", "a=b", "a=ftp://b", "a/b", "a=http://b/path", "a=http://u:secret@b", "a:port", "a=http://b:99999"],
)
def test_a_registry_that_cannot_be_read_is_named_with_the_remedy(text: str) -> None:
    with pytest.raises(RegistrySettingsError, match=r"registries: .* write host, host:port, or name=") as caught:
        parse_registry(text)
    assert "secret" not in str(caught.value)


INSIDE_V4 = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "224.0.0.1",
    "0.1.2.3",
    "240.0.0.1",
    "255.255.255.255",
    "192.0.2.1",
    "198.18.0.1",
]
INSIDE_V6 = ["::", "::1", "fe80::1", "fc00::1", "fec0::1", "ff02::1", "2001:db8::1"]
WRAPPED = ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::"]


@pytest.mark.parametrize("text", [*INSIDE_V4, *INSIDE_V6, *WRAPPED])
def test_addresses_that_are_not_public_are_known(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    "text", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1::1", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public_addresses_are_known(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


@given(st.ip_addresses(v=4))
def test_wrapping_an_address_does_not_change_what_it_is(address: ipaddress.IPv4Address) -> None:
    mapped = ipaddress.IPv6Address(f"::ffff:{address}")
    translated = ipaddress.IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) + int(address))
    assert is_public(mapped) == is_public(address) == is_public(translated)


CONFIG = "sha256:" + "c" * 64
MANIFEST = "sha256:" + "d" * 64
OURS = {"os": "linux", "architecture": "amd64"}
SAYS: dict[str, object] = {**OURS, "config": {"Entrypoint": ["/app/web"]}}


async def test_what_an_image_says_of_itself_is_read_by_its_manifest(registry_server: RegistryServer) -> None:
    registry_server.script(Scripted(200, {"config": {"digest": CONFIG}}), Scripted(200, SAYS))
    async with RegistryClient(settings(registry_server)) as client:
        assert await client.config("nginx:1.27") == SAYS
    assert [request.path for request in registry_server.requests] == [
        "/v2/library/nginx/manifests/1.27",
        f"/v2/library/nginx/blobs/{CONFIG}",
    ]
    assert "image.index" in registry_server.requests[0].headers["Accept"]


async def test_of_several_platforms_that_of_the_nodes_is_read(registry_server: RegistryServer) -> None:
    built = [
        {"digest": "sha256:" + "e" * 64, "platform": {"os": "linux", "architecture": "arm64"}},
        {"digest": MANIFEST, "platform": OURS},
    ]
    answers = ({"manifests": built}, {"config": {"digest": CONFIG}}, SAYS)
    registry_server.script(*(Scripted(200, answer) for answer in answers))
    async with RegistryClient(settings(registry_server)) as client:
        assert await client.config("nginx") == SAYS
    assert registry_server.requests[1].path == f"/v2/library/nginx/manifests/{MANIFEST}"


@pytest.mark.parametrize("digest", ["../../../secret", "sha256:short", None, 7])
async def test_what_to_read_next_is_a_digest_or_nothing(registry_server: RegistryServer, digest: object) -> None:
    registry_server.script(Scripted(200, {"config": {"digest": digest}}))
    async with RegistryClient(settings(registry_server)) as client:
        with pytest.raises(RegistryError, match="no digest"):
            await client.config("nginx")
    assert len(registry_server.requests) == 1


async def test_an_image_of_a_registry_that_is_not_named_is_not_asked_about(registry_server: RegistryServer) -> None:
    async with RegistryClient(settings(registry_server)) as client:
        with pytest.raises(RegistryNotAllowed):
            await client.config("evil.example/x")
    assert not registry_server.requests


async def test_an_image_that_is_not_there_is_no_answer(registry_server: RegistryServer) -> None:
    registry_server.script(Scripted(404, {"errors": []}))
    async with RegistryClient(settings(registry_server)) as client:
        with pytest.raises(RepositoryNotFound):
            await client.config("nginx:0")


async def test_a_config_is_read_with_an_anonymous_token(tls_registry: RegistryServer, certificate: Path) -> None:
    tls_registry.wants_token = True
    async with RegistryClient(settings(tls_registry, ca_file=str(certificate))) as client:
        with pytest.raises(RepositoryNotFound):  # the server knows no manifests
            await client.config("nginx:1.27")
    assert [request.path for request in tls_registry.requests] == [
        "/v2/library/nginx/manifests/1.27",
        "/token",
        "/v2/library/nginx/manifests/1.27",
    ]
