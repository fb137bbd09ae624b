"""Settings: each bad one is named with its remedy, and a secret is shown nowhere."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from app.composition import policy_of
from app.models import roster_of
from app.outside import open_notifier, open_registry, open_search
from app.settings import SettingsError, load_settings
from cli.doctor import examine
from incidents.policy import Mode
from tests.world import USER, World
from tools.cluster.errors import Misconfigured

SECRETS = {
    "OPENAI_API_KEY": "sk-hidden-openai",
    "TAVILY_API_KEY": "tvly-hidden-tavily",
    "SLACK_WEBHOOK_URL": "https://hooks.slack.example/services/hidden-slack",
}

pytestmark = pytest.mark.usefixtures("clean_environment")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MODE", "reckless"),
        ("GRACE_SECONDS", "-1"),
        ("GRACE_SECONDS", "soon"),
        ("SETTLE_SECONDS", "0"),
        ("WORKERS", "0"),
        ("WORKERS", "65"),
        ("MIN_CONFIDENCE", "1.5"),
        ("IN_CLUSTER", "perhaps"),
        ("ALONE", "perhaps"),
        ("MODEL_METHOD", "telepathy"),
        ("NAMESPACES", "shop"),
        ("EXCLUDED_NAMESPACES", "{"),
        ("NAMESPACES", '["Shop Front"]'),
        ("EXCLUDED_NAMESPACES", '["kube_system"]'),
        ("LEASE_NAMESPACE", "shop/front"),
        ("REGISTRIES", "docker.io"),
        ("MODEL_PRICES", "0.25"),
        ("LISTEN", ":99999"),
        ("RETENTION_DAYS", "0.5"),  # shorter than a changed field is remembered
    ],
)
def test_each_bad_value_names_its_setting_in_one_line(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(f"K8S_AUTO_FIXER_{variable}", value)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    text = str(raised.value)
    assert variable.lower() in text.lower()
    assert "\n" not in text


def test_a_variable_that_does_not_hold_json_is_told_by_an_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K8S_AUTO_FIXER_NAMESPACES", "shop")
    with pytest.raises(SettingsError, match=r"K8S_AUTO_FIXER_NAMESPACES: is not JSON; .*NAMESPACES='\[\"shop\"\]'"):
        load_settings()


@pytest.mark.parametrize(
    ("written", "meant"), [("NAMESPACE", "K8S_AUTO_FIXER_NAMESPACES"), ("MODDE", "K8S_AUTO_FIXER_MODE")]
)
def test_a_mistyped_variable_is_refused_with_the_name_that_was_meant(
    monkeypatch: pytest.MonkeyPatch, written: str, meant: str
) -> None:
    monkeypatch.setenv(f"K8S_AUTO_FIXER_{written}", "shop")
    with pytest.raises(SettingsError, match=f"K8S_AUTO_FIXER_{written}: .* do you mean {meant}"):
        load_settings()


@pytest.mark.parametrize(
    "name", ["PORT", "SERVICE_HOST", "SERVICE_PORT_HEALTH", "PORT_8080_TCP_ADDR", "METRICS_SERVICE_HOST"]
)
def test_what_kubernetes_says_of_services_in_a_pods_environment_is_no_setting_and_no_mistake(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(f"K8S_AUTO_FIXER_{name}", "tcp://10.0.0.1:8080")
    assert load_settings().mode is Mode.SUGGEST


async def test_bad_addresses_and_keys_of_services_are_named_too() -> None:
    async with AsyncExitStack() as stack:
        with pytest.raises(SettingsError, match="TAVILY_BASE_URL"):
            await open_search(stack, load_settings(tavily_api_key="key", tavily_base_url="ftp://x"))
        with pytest.raises(SettingsError, match="TAVILY_API_KEY"):
            await open_search(stack, load_settings(tavily_api_key=" "))
        with pytest.raises(SettingsError, match="registries"):
            await open_registry(stack, load_settings(registries=("docker.io/library",)))
    with pytest.raises(SettingsError, match="SLACK_WEBHOOK_URL"):
        open_notifier(load_settings(slack_webhook_url="http://example.com/hidden"))
    with pytest.raises(SettingsError, match="OPENAI_BASE_URL"):
        roster_of(load_settings(openai_base_url="nowhere"))
    with pytest.raises(SettingsError, match="MODEL_FALLBACKS: base_url holds a user name"):
        roster_of(load_settings(model_fallbacks=("m@https://me:hidden@host/v1",)))
    with pytest.raises(SettingsError, match="there is no agent 'butler'"):
        roster_of(load_settings(models={"butler": "m"}))


def test_suggest_is_the_default_and_no_registry_may_be_asked() -> None:
    settings = load_settings()
    assert settings.mode is Mode.SUGGEST
    assert settings.registries == ()
    assert set(settings.excluded_namespaces) == {"kube-system", "kube-public", "kube-node-lease"}


@pytest.mark.parametrize("excluded", [("kube-system",), ()])
def test_the_programs_own_namespace_is_excluded_whatever_else_is(excluded: tuple[str, ...]) -> None:
    policy = policy_of(load_settings(excluded_namespaces=excluded))
    assert not policy.covers("k8s-auto-fixer")
    assert policy.covers("shop")


def test_a_flag_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K8S_AUTO_FIXER_MODE", "auto")
    assert load_settings(mode="observe").mode is Mode.OBSERVE
    assert load_settings(mode=None).mode is Mode.AUTO


def test_settings_are_frozen() -> None:
    settings = load_settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.mode = Mode.AUTO  # type: ignore[misc]  # that is the point


def test_secrets_are_in_no_repr_and_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.openai_api_key is not None
    assert "hidden" not in repr(settings)
    assert "hidden" not in str(settings)
    with pytest.raises(SettingsError) as raised:
        open_notifier(load_settings(slack_webhook_url="http://example.com/hidden"))
    assert "hidden" not in str(raised.value)
    monkeypatch.setenv("K8S_AUTO_FIXER_WORKERS", "many")
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert "hidden" not in str(raised.value)


@pytest.mark.parametrize("wrong", ["store under a file", "prompts", "registries", "messages"])
async def test_doctor_is_content_with_nothing_that_run_refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: str
) -> None:
    (tmp_path / "file").touch()
    given: dict[str, dict[str, object]] = {
        "store under a file": {"store": tmp_path / "file" / "store.sqlite"},
        "prompts": {"prompts": tmp_path / "nope"},
        "registries": {"registries": ("docker.io/library",)},
        "messages": {"slack_webhook_url": "http://example.com/hidden"},
    }
    away = {"kubeconfig": tmp_path / "none", "store": tmp_path / "store.sqlite"}
    with pytest.raises(Misconfigured):  # what is here is looked at before
        await examine(load_settings(**{**away, **given[wrong]}))
    refused = [line for line in capsys.readouterr().out.splitlines() if line.startswith("no ")]
    assert len(refused) == 1
    assert wrong.split()[0] in refused[0]


async def test_doctor_shows_no_secret(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    kubeconfig = world.cluster.write_kubeconfig(tmp_path / "kubeconfig", user=USER)
    assert await examine(load_settings(kubeconfig=kubeconfig, store=tmp_path / "store.sqlite")) == 0
    shown = capsys.readouterr()
    assert "Tavily" in shown.out
    assert "hidden" not in shown.out + shown.err
    assert world.cluster.token(USER) not in shown.out + shown.err
