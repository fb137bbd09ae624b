"""A file of settings: weaker than the environment and flags, and never ignored where it is wrong."""

from pathlib import Path

import pytest

from app.settings import Settings, SettingsError, load_settings
from incidents.policy import Mode

pytestmark = pytest.mark.usefixtures("clean_environment")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "settings.yaml"
    path.write_text("mode: observe\ngrace_seconds: 3\nnamespaces: [shop]\n")
    return path


def test_each_source_is_stronger_than_the_one_before(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K8S_AUTO_FIXER_GRACE_SECONDS", "4")
    found = load_settings(config=file, mode="auto")
    assert (found.mode, found.grace_seconds, found.namespaces) == (Mode.AUTO, 4.0, ("shop",))


def test_the_environment_may_name_it(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K8S_AUTO_FIXER_CONFIG", str(file))
    assert load_settings().mode is Mode.OBSERVE


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("mood: fine", "no setting 'mood'; do you mean mode"),
        ("config: other.yaml", "no setting 'config'"),
        ("mode: sugest", "settings.yaml: mode: .*'suggest'.*; write for example `mode: suggest`"),
        ("[1, 2]", "mapping of settings"),
        ("a: [", "is not YAML"),
        ("openai_api_key: sk-hidden", "is a secret"),
        ("listen: nowhere", 'listen: is no HOST:PORT .*`listen: "127.0.0.1:8080"`'),
        ("listen: 8080", 'listen: is no HOST:PORT .*`listen: "127.0.0.1:8080"`'),
        ("listen: ':99999'", "listen: is no HOST:PORT with a port of at most 65535"),
        ("namespaces: shop", r'settings.yaml: namespaces: .*`namespaces: \["shop"\]`'),
        ("model_prices: {gpt: [1]}", r"model_prices at model_prices.gpt.1: .*`model_prices: \{.*\[0.25, 2.0\]\}`"),
        ("workers: many", "settings.yaml: workers: .*`workers: 16`"),
    ],
)
def test_a_mistake_in_it_is_one_line_that_names_it_and_shows_no_value(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(content)
    with pytest.raises(SettingsError, match=said) as raised:
        load_settings(config=path)
    assert "\n" not in str(raised.value)
    assert "sk-hidden" not in str(raised.value)


def test_one_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.yaml cannot be read .*--config"):
        load_settings(config=tmp_path / "none.yaml")


def test_every_setting_says_what_it_is_for() -> None:
    silent = [name for name, field in Settings.model_fields.items() if not field.description]
    assert set(silent) <= {"openai_api_key", "openai_base_url", "tavily_api_key", "slack_webhook_url"}
