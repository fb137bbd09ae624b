"""Where the control plane's programs come from. Go and the programs are stand-ins here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from . import build

_GO_THAT_BUILDS = """#!/bin/sh
while [ "$1" != -o ]; do shift; done
for name in server kube-apiserver kube-controller-manager kube-scheduler kubectl; do
  echo built > "$2$name"; chmod +x "$2$name"
done
"""
_GO_THAT_FAILS = """#!/bin/sh
exit 7
"""


def _programs(folder: Path, *, without: str = "") -> Path:
    folder.mkdir(parents=True)
    for name in build.BINARIES:
        if name != without:
            (folder / name).touch(mode=0o755)
    return folder


def _with_go(folder: Path, script: str) -> dict[str, str]:
    tools = folder / "tools"
    tools.mkdir()
    (tools / "go").write_text(script)
    (tools / "go").chmod(0o755)
    return {"PATH": f"{tools}:/usr/bin:/bin", "XDG_CACHE_HOME": str(folder / "cache")}


def test_the_named_folder_comes_before_envtest_and_that_before_the_cache(tmp_path: Path) -> None:
    environ = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    assert build.find_binaries(environ) is None
    cache = _programs(build.cache_folder(environ))
    assert build.find_binaries(environ) == cache
    environ[build.ENVTEST_SETTING] = str(_programs(tmp_path / "envtest"))
    assert build.find_binaries(environ) == tmp_path / "envtest"
    environ[build.FOLDER_SETTING] = str(_programs(tmp_path / "named"))
    assert build.find_binaries(environ) == tmp_path / "named"


def test_an_incomplete_named_folder_is_an_error_that_names_the_setting_and_what_is_missing(
    tmp_path: Path,
) -> None:
    named = _programs(tmp_path / "named", without="kube-scheduler")
    with pytest.raises(build.SettingError, match=r"CONTROL_PLANE_BINARIES=.* lacks kube-scheduler: "):
        build.find_binaries({build.FOLDER_SETTING: str(named)})


def test_envtest_without_a_scheduler_is_passed_over(tmp_path: Path) -> None:
    envtest = _programs(tmp_path / "envtest", without="kube-scheduler")
    environ = {build.ENVTEST_SETTING: str(envtest), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    assert build.find_binaries(environ) is None


def test_a_build_ends_with_all_programs_in_the_cache_of_the_version(tmp_path: Path) -> None:
    environ = _with_go(tmp_path, _GO_THAT_BUILDS)
    folder = build.build(environ)
    assert folder == tmp_path / "cache" / "k8s-auto-fixer" / "control-plane" / build.kubernetes_version()
    assert build.missing_binaries(folder) == []
    assert build.find_binaries(environ) == folder


def test_a_failed_build_leaves_nothing_behind(tmp_path: Path) -> None:
    environ = _with_go(tmp_path, _GO_THAT_FAILS)
    with pytest.raises(build.BuildError, match="go build ended with 7"):
        build.build(environ)
    assert not list(build.cache_folder(environ).parent.glob("[!.]*"))
    assert not list(build.cache_folder(environ).parent.glob(".building-*"))


def test_what_a_killed_build_left_is_cleared_by_the_next(tmp_path: Path) -> None:
    environ = _with_go(tmp_path, _GO_THAT_BUILDS)
    leftover = build.cache_folder(environ).parent / ".building-dead"
    _programs(leftover / "bin")
    build.build(environ)
    assert not leftover.exists()


def test_neither_go_nor_programs_is_one_line_and_an_exit_code_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for setting in (build.FOLDER_SETTING, build.ENVTEST_SETTING):
        monkeypatch.delenv(setting, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert build.main() == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert "install Go" in said.err
    assert build.FOLDER_SETTING in said.err


def test_the_builder_runs_as_a_script_with_the_standard_library_alone(tmp_path: Path) -> None:
    named = _programs(tmp_path / "named")
    done = subprocess.run(
        [sys.executable, "-I", "-S", build.__file__],
        env={build.FOLDER_SETTING: str(named)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stdout) == (0, f"{named}\n"), done.stderr


def test_the_module_files_name_modules_and_no_download_address() -> None:
    for name in ("go.mod", "go.sum"):
        assert "://" not in Path(build.__file__).with_name(name).read_text()
