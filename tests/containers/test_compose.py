"""What `docker compose up` starts, as far as it can be known without Docker: the file's schema, and what it says.

Nothing here starts a container: docs/operations.md says so.
"""

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml

from app.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
OURS = ("daemon", "demo")
SERVING = ("k3s", "daemon", "ollama")
VARIABLE = re.compile(r"\$\{(\w+)(?::-[^}]*)?\}")
VARIABLE_DEFAULT = re.compile(r"\$\{\w+:-([^}]*)\}")
NOT_OURS = {"K3S_IMAGE", "K3S_PORT", "OLLAMA_IMAGE", "COMPOSE_PROFILES"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8")))


def _example() -> dict[str, list[str]]:
    """The variables of `.env.example` with their values, commented out or not."""
    found: dict[str, list[str]] = {}
    for line in (ROOT / ".env.example").read_text(encoding="utf-8").splitlines():
        if match := re.fullmatch(r"#?([A-Z][A-Z0-9_]+)=(.*)", line):
            found.setdefault(match[1], []).append(match[2])
    return found


def test_it_is_what_the_compose_specification_calls_a_compose_file(compose: dict[str, Any]) -> None:
    schema = files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    jsonschema.validate(compose, msgspec.json.decode(schema.read_bytes()))


def test_every_variable_it_reads_is_explained_in_the_example_and_the_other_way_round(compose: dict[str, Any]) -> None:
    read = set(VARIABLE.findall((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))) | {"COMPOSE_PROFILES"}
    assert read == set(_example())


def test_every_variable_is_one_that_the_program_knows() -> None:
    known = {f"K8S_AUTO_FIXER_{name.upper()}" for name in Settings.model_fields}
    known |= {str(field.validation_alias) for field in Settings.model_fields.values() if field.validation_alias}
    assert set(_example()) - NOT_OURS <= known


def test_the_example_holds_no_secret_and_changes_nothing_by_itself() -> None:
    example = _example()
    assert example["K8S_AUTO_FIXER_MODE"] == ["suggest"]
    for name in ("OPENAI_API_KEY", "TAVILY_API_KEY", "SLACK_WEBHOOK_URL"):
        assert example[name] == [""]


@pytest.mark.parametrize("name", OURS)
def test_our_containers_have_no_right_and_nothing_to_write_to_but_their_state(
    compose: dict[str, Any], name: str
) -> None:
    service = compose["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    writable = [volume for volume in service.get("volumes", []) if not volume.endswith(":ro")]
    assert writable in ([], ["state:/var/lib/k8s-auto-fixer"])


def test_only_the_cluster_is_privileged_and_it_is_reached_from_this_machine_alone(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert [name for name, service in services.items() if service.get("privileged")] == ["k3s"]
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:${K3S_PORT:-6443}:6443"]


def test_the_daemon_waits_for_the_cluster_and_reads_the_kubeconfig_that_it_writes(compose: dict[str, Any]) -> None:
    cluster, daemon = compose["services"]["k3s"], compose["services"]["daemon"]
    assert daemon["depends_on"]["k3s"]["condition"] == "service_healthy"
    assert daemon["network_mode"] == "service:k3s"  # there the address in the kubeconfig leads to the API server
    written = cluster["environment"]["K3S_KUBECONFIG_OUTPUT"]
    assert daemon["environment"]["K8S_AUTO_FIXER_KUBECONFIG"] == written
    folder = str(Path(written).parent)
    assert f"kubeconfig:{folder}" in cluster["volumes"]
    assert f"kubeconfig:{folder}:ro" in daemon["volumes"]


@pytest.mark.parametrize("name", SERVING)
def test_what_goes_on_running_says_whether_it_is_well(compose: dict[str, Any], name: str) -> None:
    check = compose["services"][name]["healthcheck"]
    assert check["test"][0] == "CMD"
    assert {"interval", "timeout", "retries", "start_period"} <= set(check)


def test_a_local_model_is_started_only_when_asked_for_and_is_where_the_example_says(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert [name for name, service in services.items() if "local-model" in service.get("profiles", [])] == [
        "ollama",
        "fetch-model",
    ]
    example = _example()
    assert "http://ollama:11434/v1" in example["OPENAI_BASE_URL"]
    assert services["fetch-model"]["command"] == [f"${{K8S_AUTO_FIXER_MODEL:-{example['K8S_AUTO_FIXER_MODEL'][-1]}}}"]


def test_every_image_has_a_version(compose: dict[str, Any]) -> None:
    images = [VARIABLE_DEFAULT.sub(r"\1", service["image"]) for service in compose["services"].values()]
    for image in images:
        assert image == "k8s-auto-fixer" or re.search(r":v?\d", image), f"{image} may be another one tomorrow"
