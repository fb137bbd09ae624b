"""Variants: the same faults in other words, and nothing left that could be matched by what the files say."""

import re
from typing import Any

import pytest

from simulator.kubelet.catalogue import Catalogue, load_catalogue
from simulator.kubelet.image_reference import ImageReference
from simulator.scenario import Scenario, ScenarioError, load_scenario, load_scenarios
from simulator.variants import Variants, vary
from simulator.wordlists import DIALECTS, SetName

ALL: dict[SetName, Variants] = {words: vary([], seed=3, words=words) for words in DIALECTS}


def told(name: str, *, seed: int = 1, words: SetName = "first") -> Scenario:
    (scenario,) = vary([name], seed=seed, words=words).scenarios
    return scenario


def container_of(scenario: Scenario, place: int = 0) -> dict[str, Any]:
    (workload,) = [item for item in scenario.setup if item["kind"] == "Deployment"][:1]
    found: dict[str, Any] = workload["spec"]["template"]["spec"]["containers"][place]
    return found


def test_the_same_seed_tells_the_same_and_another_seed_another() -> None:
    assert told("oom") == told("oom")
    assert len({told("oom", seed=seed).namespace for seed in range(1, 9)}) == 8
    assert told("oom").namespace != told("oom", words="second").namespace


def test_a_scenario_is_told_the_same_alone_and_among_all() -> None:
    among = {item.name: item for item in ALL["first"].scenarios}
    assert told("crash-wire-config", seed=3) == among["crash-wire-config"]


@pytest.mark.parametrize("words", DIALECTS)
def test_no_name_of_a_file_survives_and_no_two_scenarios_meet(words: SetName) -> None:
    spaces = [item.namespace for item in ALL[words].scenarios]
    assert len(set(spaces)) == len(spaces) == len(load_scenarios())
    as_written = {item.namespace for item in load_scenarios()}
    assert not as_written & set(spaces)
    private = [name for name in ALL[words].document["images"] if "/" in name and "." in name.partition("/")[0]]
    assert not [name for name in private if "registry.example" in name or "/shop/" in name]


@pytest.mark.parametrize("words", DIALECTS)
def test_a_node_is_one_of_one_scenario(words: SetName) -> None:
    """Nodes are seen from every namespace: what another scenario wants of one would be found on it."""
    wanted = [
        (label, value, scenario.name)
        for seed in (1, 2)
        for scenario in (vary([], seed=seed, words=words)).scenarios
        for node in scenario.setup
        if node["kind"] == "Node"
        for label, value in node["metadata"]["labels"].items()
    ]
    whose: dict[tuple[str, str], set[str]] = {}
    for label, value, name in wanted:
        whose.setdefault((label, value), set()).add(name)
    assert whose
    assert [found for found in whose.values() if len(found) > 1] == []


def test_the_two_sets_share_no_word_no_registry_and_no_port() -> None:
    one, other = (DIALECTS[words] for words in ("first", "second"))
    assert not set(one.words) & set(other.words)
    assert not set(one.hosts) & set(other.hosts)
    assert not set(range(*one.ports)) & set(range(*other.ports))
    assert not set(one.sixteenths) & set(other.sixteenths)


@pytest.mark.parametrize("words", DIALECTS)
def test_every_image_that_was_there_is_there_and_what_was_missing_is_missing(words: SetName) -> None:
    catalogue = ALL[words].catalogue
    for scenario, original in zip(ALL[words].scenarios, load_scenarios(), strict=True):
        assert scenario.name == original.name
        for now, before in zip(_images(scenario), _images(original), strict=True):
            assert _exists(catalogue, now) == _exists(load_catalogue(), before), (scenario.name, before, now)


@pytest.mark.conformance  # every scenario is told in other words several times
@pytest.mark.parametrize("words", DIALECTS)
def test_a_registry_that_is_away_or_wants_a_password_is_that_of_one_scenario(words: SetName) -> None:
    """Another one that pulls from it would fail in a way of which its file says nothing."""
    own = [vary([item.name], seed=3, words=words) for item in load_scenarios()]
    hosts = [host for variants in own for host in variants.hosts]
    special = [host for variants in own for host in variants.document["registries"]]
    assert special
    assert [host for host in special if hosts.count(host) > 1] == []


def _images(scenario: Scenario) -> list[str]:
    return re.findall(r"'image': '([^']+)'", repr([*scenario.setup, *(step.patch for step in scenario.breaks)]))


def _exists(catalogue: Catalogue, image: str) -> bool:
    try:
        reference = ImageReference.parse(image)
    except ValueError:
        return False
    return reference.digest is None and catalogue.program(reference.repository, reference.tag) is not None


def test_a_limit_that_was_too_small_stays_too_small_and_by_the_same_share() -> None:
    for seed in range(1, 9):
        variant = vary(["oom"], seed=seed)
        container = container_of(variant.scenarios[0])
        limit = int(container["resources"]["limits"]["memory"].removesuffix("Mi"))
        reference = ImageReference.parse(container["image"])
        program = variant.catalogue.program(reference.repository, reference.tag)
        assert program is not None
        assert limit / program.working_set == pytest.approx(64 / 100)


def test_a_slip_is_a_slip_of_the_word_that_is_meant_now() -> None:
    for seed in range(1, 20):
        scenario = told("config-name-typo", seed=seed)
        (reference,) = container_of(scenario)["envFrom"]
        wrong, maps = reference["configMapRef"]["name"], {item["metadata"]["name"] for item in scenario.setup}
        meant = scenario.check[1].equals
        assert meant in maps
        assert wrong not in maps
        assert sorted(wrong) == sorted(meant) or len(wrong) == len(meant) - 1


def test_a_port_is_the_same_wherever_it_stands() -> None:
    variant = vary(["probe-port-fresh"], seed=4, words="second")
    (scenario,) = variant.scenarios
    container = container_of(scenario)
    (port,) = [item["containerPort"] for item in container["ports"]]
    reference = ImageReference.parse(container["image"])
    program = variant.catalogue.program(reference.repository, reference.tag)
    assert program is not None
    assert list(program.ports) == [port] == [scenario.check[1].equals]
    assert str(port) in program.logs[0]
    assert container["readinessProbe"]["httpGet"]["port"] not in (port, 8000)


def test_official_images_keep_their_names_and_ports() -> None:
    container = container_of(told("image-typo", words="second"))
    assert re.fullmatch(r"nginx:1\.2[789]-alpine", container["image"])
    assert container["ports"] == [{"containerPort": 80}]


def test_the_second_set_labels_as_others_do() -> None:
    scenario = told("service-selector", words="second")
    service = next(item for item in scenario.setup if item["kind"] == "Service")
    assert list(service["spec"]["selector"]) == ["app.kubernetes.io/name"]
    assert scenario.check[2].path == "/spec/selector/app.kubernetes.io~1name"


def test_what_must_be_said_is_renamed_with_the_rest() -> None:
    scenario = told("crash-variable-unknown")
    assert scenario.expected["cause"][0].endswith("_URL")
    assert scenario.expected["cause"] != load_scenario("crash-variable-unknown").expected["cause"]


def test_words_of_kubernetes_stay() -> None:
    scenario = told("tainted-node")
    assert scenario.setup[0]["kind"] == "Node"
    assert scenario.setup[0]["metadata"]["name"].startswith(scenario.namespace)
    assert [item.reason for item in scenario.shows] == ["FailedScheduling"]


def test_a_scenario_that_does_not_exist_is_named() -> None:
    with pytest.raises(ScenarioError, match="no scenario 'nonsense'; known are"):
        vary(["nonsense"], seed=1)
