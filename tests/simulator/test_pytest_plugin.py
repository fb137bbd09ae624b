"""The pytest plugin: what a test suite of somebody else's gets from it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.conformance

pytest_plugins = ["pytester"]
PLUGIN = ("-p", "simulator.pytest_plugin", "-p", "no:cacheprovider")
DOCUMENTATION = Path(__file__).resolve().parents[2] / "docs" / "simulator.md"
HEAVY = {"aiohttp", "orjson", "yaml", "simulator.cluster"}


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but pytest and the plugin: what else is installed beside them here takes a second to load."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def run(pytester: pytest.Pytester, *arguments: str, **outcomes: int) -> pytest.RunResult:
    result = pytester.runpytest_subprocess(*PLUGIN, *arguments)
    result.assert_outcomes(**outcomes)
    return result


def test_each_test_gets_a_cluster_of_its_own_as_its_marker_asks(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        seen = set()

        def nodes(cluster):
            return sum(key.startswith("v1/Node/") for key in cluster.dump())

        def test_without_a_marker(embedded_cluster):
            seen.add(embedded_cluster.server)
            assert nodes(embedded_cluster) == 1

        @pytest.mark.embedded_cluster(nodes=2, speed=50, rbac=True)
        def test_with_a_marker(embedded_cluster):
            assert nodes(embedded_cluster) == 2
            assert embedded_cluster.running
            seen.add(embedded_cluster)

        def test_the_one_before_is_gone(embedded_cluster):
            assert embedded_cluster not in seen
            assert not any(one.running for one in seen if not isinstance(one, str))
        """
    )
    run(pytester, "--strict-markers", passed=3)


def test_one_cluster_serves_the_whole_session_as_the_ini_file_says(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nembedded_cluster_nodes = 3")
    pytester.makepyfile(
        """
        seen = []

        def test_first(embedded_cluster_session):
            seen.append(embedded_cluster_session)
            assert sum(key.startswith("v1/Node/") for key in embedded_cluster_session.dump()) == 3

        def test_second(embedded_cluster_session):
            assert seen == [embedded_cluster_session]
        """
    )
    run(pytester, passed=2)


def test_a_mistaken_marker_is_explained(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.embedded_cluster(node=3)
        def test_an_option_that_there_is_not(embedded_cluster): ...

        @pytest.mark.embedded_cluster(3)
        def test_an_option_without_its_name(embedded_cluster): ...
        """
    )
    shown = run(pytester, errors=2).stdout
    shown.fnmatch_lines(["*has no option 'node'; there are nodes, speed*", "*takes options by name only*"])


def test_a_setting_that_is_no_number_is_explained(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nembedded_cluster_speed = fast")
    pytester.makepyfile("def test_it(embedded_cluster): ...")
    run(pytester, errors=1).stdout.fnmatch_lines(["*embedded_cluster_speed = fast in the ini file must be a number*"])


def test_who_does_not_use_it_pays_nothing_for_it() -> None:
    code = f"import sys, simulator.pytest_plugin; print(sorted({HEAVY!r} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"


def test_the_documented_example_works(pytester: pytest.Pytester) -> None:
    (example,) = re.findall(r"```python\n(import pytest\n.*?)```", DOCUMENTATION.read_text("utf-8"), re.DOTALL)
    pytester.makepyfile(example)
    run(pytester, passed=1)
