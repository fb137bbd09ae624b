"""The secrets that one control plane is started with: a certificate authority, keys, and bearer tokens.

Owns: making them and writing them down, every file 0600. All of it lives as long as one test session and is
good on loopback only. Refuses client certificates: a token names its user just as well, and costs no
handshake.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# Valid from a little earlier: clocks in a virtual machine may step back.
_BACKDATED = timedelta(hours=1)
_LIFETIME = timedelta(days=2)

# User name to groups. The names are those of a real cluster, so that the API server's own default roles fit
# them (plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go). The kubelet of ours plays every node under
# one user.
KUBELET_USER = "system:node:simulator"
USERS = {
    "admin": ("system:masters",),
    "system:kube-controller-manager": (),
    "system:kube-scheduler": (),
    KUBELET_USER: ("system:nodes",),
}


@dataclass(frozen=True)
class Credentials:
    """Paths to what is on disk, and the tokens by user name."""

    ca_file: Path
    cert_file: Path
    key_file: Path
    service_account_key_file: Path
    token_file: Path
    tokens: dict[str, str]


def write_private(path: Path, content: str | bytes) -> Path:
    """Writes a file that only its owner may read, from its first byte on."""
    data = content.encode() if isinstance(content, str) else content
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
    return path


def create_credentials(folder: Path) -> Credentials:
    """Makes everything anew in `folder`."""
    now = datetime.now(UTC)
    ca_key, server_key, account_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    ca = _ca_certificate(ca_key, now)
    tokens = {user: secrets.token_urlsafe(24) for user in USERS}
    lines = [f'{tokens[user]},{user},{user},"{",".join(groups)}"' for user, groups in USERS.items()]
    return Credentials(
        ca_file=write_private(folder / "ca.crt", _pem(ca)),
        cert_file=write_private(folder / "server.crt", _pem(_server_certificate(server_key, ca, ca_key, now))),
        key_file=write_private(folder / "server.key", _key_pem(server_key)),
        service_account_key_file=write_private(folder / "service-account.key", _key_pem(account_key)),
        token_file=write_private(folder / "tokens.csv", "\n".join(lines) + "\n"),
        tokens=tokens,
    )


def _ca_certificate(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "control-plane-test-ca")])
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        _builder(name, name, key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _server_certificate(
    key: ec.EllipticCurvePrivateKey, ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey, now: datetime
) -> x509.Certificate:
    """For the API server and for the kubelet's log endpoint: both are loopback."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    return (
        _builder(name, ca.subject, key, now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        # Python 3.13 verifies strictly by default and wants to find the issuer by this.
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + _LIFETIME)
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    # SEC 1, not PKCS 8: the reader of --service-account-key-file knows an EC key in no other form
    # (client-go util/keyutil/key.go, ParsePublicKeysPEM).
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
