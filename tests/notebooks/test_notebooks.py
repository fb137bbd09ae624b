"""The notebooks run from the first cell to the last, and what is committed of their outputs can be shown around.

Each runs in a fresh kernel with nothing of the user's environment: no key, no kubeconfig that can be read.
"""

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "notebooks"
LAST = {  # what each notebook's last cell shows
    "01_first_repair": "problems: none\noutcomes: resolved, escalated\n",
    "02_live_scraper": (
        "the memory limit now: 64Mi\nmarks left on the object: none\n"
        "outcomes: escalated, resolved, resolved, resolved, rolled_back\n"
    ),
    "03_your_own_playbook": (
        "deployment/worker in shop-media: resolved in round 1 by playbook/needs-memory\n"
        "deployment/cache in shop-cache: escalated, 0 changes\n"
    ),
    "04_approvals_and_time_travel": "outcomes: resolved, escalated\nchanges made: 1\n",
    "05_with_a_model": "by rules: escalated; by the model: resolved\n",
}
CELL_SECONDS = 180
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH")  # the rest may hold keys and settings
VARYING = {
    "an id": re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-"),
    "a pod's name": re.compile(r"\b[a-z][a-z-]*-[0-9a-f]{8,10}-[0-9a-z]{5}\b"),
    "a moment": re.compile(r"\b\d\d:\d\d:\d\d\b"),
}


@pytest.fixture
def own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the user's: no key, no setting, no kernel of another environment, no readable kubeconfig."""
    for name in set(os.environ) - set(KEPT):
        monkeypatch.delenv(name)
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text("nobody may read this: {")
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))


@pytest.mark.notebooks
@pytest.mark.usefixtures("own_environment")
@pytest.mark.parametrize("name", LAST)
def test_it_runs_in_a_fresh_kernel_and_ends_as_it_says(name: str, tmp_path: Path) -> None:
    for beside in ("showing.py", "recorded_model.json"):
        shutil.copy(FOLDER / beside, tmp_path)
    notebook = _read(name)
    for cell in _code(notebook):
        cell.outputs, cell.execution_count = [], None
    client = NotebookClient(notebook, timeout=CELL_SECONDS, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()  # raises CellExecutionError with the cell's own traceback
    assert [cell.execution_count for cell in _code(notebook)] == list(range(1, len(_code(notebook)) + 1))
    assert _shown(_code(notebook)[-1]) == LAST[name]


def test_every_notebook_is_run_here() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == sorted(LAST)


@pytest.mark.parametrize("name", LAST)
def test_every_code_cell_is_committed_with_what_it_showed(name: str) -> None:
    cells = _code(_read(name))
    for number, cell in enumerate(cells, 1):
        assert cell.execution_count == number, "run the whole notebook in a fresh kernel before committing it"
        assert cell.outputs, f"cell {number} shows nothing"
        assert all(output.output_type != "error" and output.get("name") != "stderr" for output in cell.outputs)
    assert _shown(cells[-1]) == LAST[name]


@pytest.mark.parametrize("name", LAST)
def test_the_committed_outputs_carry_no_place_of_a_machine_and_nothing_that_the_next_run_shows_differently(
    name: str,
) -> None:
    text = "\n".join(_shown(cell) for cell in _code(_read(name)))
    places = {str(ROOT), str(Path.home()), sys.prefix, tempfile.gettempdir(), "/home/", "/Users/", "/tmp/"}  # noqa: S108
    for place in sorted(places | {"127.0.0.1", "localhost", "Traceback"}):
        assert place not in text, f"{place!r} stands in {name}"
    for what, pattern in VARYING.items():
        assert pattern.search(text) is None, f"{what} stands in {name}: {pattern.search(text)}"


@pytest.mark.parametrize("name", ["01_first_repair", "02_live_scraper"])
def test_its_pictures_are_committed(name: str) -> None:
    outputs = [output for cell in _code(_read(name)) for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs)


def _read(name: str) -> Any:
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    return notebook


def _code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _shown(cell: Any) -> str:
    """What a reader sees below a cell, as text; a picture is none."""
    parts = []
    for output in cell.outputs:
        data = output.get("data", {})
        parts.append(output.get("text") or data.get("text/markdown") or data.get("text/plain", ""))
    return "".join(parts)
