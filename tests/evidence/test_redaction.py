"""Nothing secret leaves: what the collector masks, and what it leaves alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.redaction import _IN_TEXT, mask_leaves, mask_manifest, mask_text
from incidents.masking import MASK
from incidents.patch import leaf_diff
from tests.builders import container, deployment, template

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEabc\nxyz==\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer abcdef123456", "abcdef123456"),
        ("authorization: basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("Authorization: Token0815-abc", "Token0815-abc"),
        ("password=hunter2", "hunter2"),
        ('{"db_password": "hunter two", "port": 1}', "hunter two"),
        ('{"clientSecret":"s3"}', "s3"),
        ("PGPASSWORD='hunter2' psql", "hunter2"),
        ("DB_PASS=hunter2", "hunter2"),
        ("passphrase: correct-horse", "correct-horse"),
        ("password:hunter2", "hunter2"),
        ("x-api-key: 12345", "12345"),
        ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI", "wJalrXUtnFEMI"),
        ("AccountKey=abc==;EndpointSuffix=x", "abc=="),
        ("postgres://app:hunter2@db:5432/shop", "hunter2"),
        ("amqp://app:p@ss@mq", "p@ss"),
        ("redis://:hunter2@cache:6379", "hunter2"),
        (f"token was {JWT} here", JWT),
        (PEM, "MIIEabc"),
        (PEM.replace("\n-----END RSA PRIVATE KEY-----", ""), "MIIEabc"),
        (PEM.removeprefix("-----BEGIN RSA PRIVATE KEY-----\n"), "MIIEabc"),
        ("key ghp_abcdefghij1234567890", "ghp_abcdefghij1234567890"),
        ("github_pat_11ABCDEFG0abcdefgh", "github_pat_11ABCDEFG0abcdefgh"),
        ("xoxb-1234567890-abcdef", "xoxb-1234567890-abcdef"),
        ("sk-proj-abcdefghijkl", "sk-proj-abcdefghijkl"),
        ("AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
        ("https://hooks.slack.com/services/T0/B0/xyz", "T0/B0/xyz"),
    ],
)
def test_a_secret_in_a_text_is_masked(text: str, secret: str) -> None:
    masked = mask_text(text)
    assert secret not in masked
    assert MASK in masked


@pytest.mark.parametrize(
    "text",
    [
        'Back-off pulling image "registry.example/token-service:1.2.3"',
        'Error: secret "db-credentials" not found',
        "Error: couldn't find key token in Secret shop/db",
        "connected to http://web:8080/healthz from 10.0.0.1",
        "http://web:8080,admin@example.com",
        "0/3 nodes are available: 3 Insufficient cpu.",
        "ran 5 tasks on disk-1, passed=5",
        "compass=north",
        "",
    ],
)
def test_harmless_text_is_left_as_it_is(text: str) -> None:
    assert mask_text(text) == text


@pytest.mark.parametrize("text", ["password=hunter2 Bearer abcdefghi", PEM, JWT, "postgres://a:b@c"])
def test_masking_is_deterministic_and_masking_twice_changes_nothing(text: str) -> None:
    once = mask_text(text)
    assert mask_text(text) == once
    assert mask_text(once) == once


@pytest.mark.parametrize(
    "text", ["a" * 16_384, "secret" * 2_700, "a-" * 8_192, "eyJ" * 5_000, "://:" * 4_000, "=" * 16_384]
)
def test_a_hostile_log_is_read_in_linear_time(text: str) -> None:
    # A pattern that backtracks takes minutes here; the time limit of the whole run is what would notice it.
    assert len(mask_text(text)) <= len(text) + 10 * len(MASK)


def test_env_values_are_masked_by_their_name_and_by_their_look() -> None:
    env = [
        {"name": "DB_PASSWORD", "value": "hunter2"},
        {"name": "ENCRYPTION_KEY", "value": "k"},
        {"name": "BASIC_AUTH", "value": "a"},
        {"name": "DATABASE_URL", "value": "postgres://app:hunter2@db/shop"},
        {"name": "PORT", "value": "8080"},
        {"name": "FROM", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}},
    ]
    masked = mask_manifest(deployment(template(container(env=env))))
    assert masked["spec"]["template"]["spec"]["containers"][0]["env"] == [
        {"name": "DB_PASSWORD", "value": MASK},
        {"name": "ENCRYPTION_KEY", "value": MASK},
        {"name": "BASIC_AUTH", "value": MASK},
        {"name": "DATABASE_URL", "value": f"postgres://app:{MASK}@db/shop"},
        {"name": "PORT", "value": "8080"},
        {"name": "FROM", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}},
    ]


def test_command_lines_probes_and_messages_are_masked() -> None:
    probe = {"httpGet": {"path": "/h?token=abc", "httpHeaders": [{"name": "Authorization", "value": "Bearer abc"}]}}
    web = container(args=["--password", "hunter2", "--port", "80", "--token=abc"], livenessProbe=probe)
    manifest = deployment(template(web), conditions=[{"type": "X", "message": "password=hunter2"}])
    text = str(mask_manifest(manifest))
    assert "hunter2" not in text
    assert "abc" not in text
    assert "'--port', '80'" in text


def test_annotations_are_masked_and_the_copy_kubectl_keeps_is_dropped() -> None:
    last = "kubectl.kubernetes.io/last-applied-configuration"
    manifest = deployment(annotations={last: '{"password": "hunter2"}', "vault/token": "s.abc", "team": "shop"})
    manifest["spec"]["template"]["metadata"]["annotations"] = {"vault/token": "s.abc"}
    manifest["metadata"]["managedFields"] = [{}]
    masked = mask_manifest(manifest)
    assert masked["metadata"]["annotations"] == {"vault/token": MASK, "team": "shop"}
    assert masked["spec"]["template"]["metadata"]["annotations"] == {"vault/token": MASK}
    assert "managedFields" not in masked["metadata"]


def test_masking_leaves_the_object_itself_as_it_was() -> None:
    manifest = deployment(template(container(env=[{"name": "TOKEN", "value": "abc"}])))
    mask_manifest(manifest)
    assert manifest["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] == "abc"


def test_a_difference_is_shown_at_the_same_places_without_its_secrets() -> None:
    def with_env(token: str, port: str) -> dict[str, object]:
        env = [{"name": "TOKEN", "value": token}, {"name": "PORT", "value": port}]
        return deployment(template(container(env=env)))

    before, after = with_env("abc", "80"), with_env("def", "81")
    shown = mask_leaves(leaf_diff(before, after), before, after)
    assert [(leaf.pointer[-12:], leaf.before, leaf.after) for leaf in shown] == [
        ("/env/0/value", MASK, MASK),
        ("/env/1/value", "80", "81"),
    ]


PIECES = [
    *(
        "passwd",
        "Pa\u017f\u017fword",
        "secret",
        "To\u212aen",
        "api_key",
        "x-key",
        "dsn",
        "connection-string",
        "pwd",
        "Bearer ",
    ),
    *(
        "basic ",
        "-----BEGIN X PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
        "://u:",
        "@",
        "=",
        ": ",
        '"',
        "hunter2hunter2",
    ),
    *(
        "ghp_",
        "sk-",
        "AKIA",
        "xoxb-",
        "hooks.slack.com/a",
        "eyJhbGciOiJ.eyJhbGciOiJ",
        "Back-off pulling image nginx:1.27 ",
        "\n",
    ),
]


@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_the_cheap_look_before_masking_lets_nothing_through_that_a_pattern_would_mask(text: str) -> None:
    masked = text
    for pattern, replacement in _IN_TEXT:
        masked = pattern.sub(replacement, masked)
    assert mask_text(text) == masked
