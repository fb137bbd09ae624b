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
        ("REGISTRIES", "docker.io"),
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
