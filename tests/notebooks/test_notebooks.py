"""The notebooks run from the first cell to the last, and what is committed of their outputs can be shown around."""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "notebooks" / "01_first_repair.ipynb"
CELL_SECONDS = 60
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH")  # the rest may hold keys and settings


@pytest.fixture
def own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the user's: no key, no setting, no kernel of another environment, no readable kubeconfig."""
    for name in set(os.environ) - set(KEPT):
        monkeypatch.delenv(name)
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text("nobody may read this: {")
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))


@pytest.mark.usefixtures("own_environment")
def test_the_first_repair_runs_in_a_fresh_kernel_and_ends_resolved(tmp_path: Path) -> None:
    notebook = _read(Path(shutil.copy(NOTEBOOK, tmp_path)))
    for cell in _code(notebook):
        cell.outputs, cell.execution_count = [], None
    client = NotebookClient(notebook, timeout=CELL_SECONDS, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()  # raises CellExecutionError with the cell's own traceback
    assert [cell.execution_count for cell in _code(notebook)] == list(range(1, len(_code(notebook)) + 1))
    assert "problems: none\noutcome: resolved" in _shown(_code(notebook)[-1])


def test_every_code_cell_is_committed_with_what_it_showed() -> None:
    cells = _code(_read(NOTEBOOK))
    for number, cell in enumerate(cells, 1):
        assert cell.execution_count == number, "run the whole notebook in a fresh kernel before committing it"
        assert _shown(cell).strip(), f"cell {number} shows nothing"
        assert all(output.output_type != "error" for output in cell.outputs)
    assert "outcome: resolved" in _shown(cells[-1])


def test_the_committed_outputs_carry_no_place_of_a_machine() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    places = {str(ROOT), str(Path.home()), sys.prefix, tempfile.gettempdir(), "/home/", "/Users/", "/tmp/"}  # noqa: S108
    for place in sorted(places | {"127.0.0.1", "localhost", "Traceback"}):
        assert place not in text, f"{place!r} stands in {NOTEBOOK.name}"


def _read(path: Path) -> Any:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def _code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _shown(cell: Any) -> str:
    """What a reader sees below a cell, as text."""
    parts = []
    for output in cell.outputs:
        data = output.get("data", {})
        parts.append(output.get("text") or data.get("text/markdown") or data.get("text/plain", ""))
    return "\n".join(parts)
