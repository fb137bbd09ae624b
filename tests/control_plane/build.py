"""Finds the five programs of a control plane, or builds them from their Go modules.

Owns: where etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kubectl come from. One folder
holds all five, because a control plane mixed from two places is a version skew nobody asked for. Looked for
in this order:

1. the folder that CONTROL_PLANE_BINARIES names (incomplete is an error: somebody meant that folder);
2. the folder that KUBEBUILDER_ASSETS names, if complete (envtest ships no controller-manager or scheduler);
3. the cache, by Kubernetes version, outside the tree;
4. `go build` into that cache, from the go.mod beside this file.

Refuses: to build from inside a test run (a first build takes minutes; `make control-plane` does it, in the
open), to leave half a cache behind (built aside, then renamed), and to choose where modules come from (`go
env` says that). Standard library only, so that it runs before anything is installed: `python -m
tests.control_plane.build`.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

BINARIES = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
FOLDER_SETTING = "CONTROL_PLANE_BINARIES"
ENVTEST_SETTING = "KUBEBUILDER_ASSETS"

_MODULE_FOLDER = Path(__file__).resolve().parent
_PROGRESS_SECONDS = 60.0
# Go names a program after its folder; etcd's main package lives in one called "server".
_BUILT_AS = {"etcd": "server"}


class SettingError(Exception):
    """A setting names something unusable; the text names the setting and the remedy."""


class BuildError(Exception):
    """The programs are not there and could not be built; the text says why and what to do."""


class NoGoError(BuildError):
    """There are no programs and no Go toolchain to build them with."""


def kubernetes_version() -> str:
    """The Kubernetes release that go.mod asks for, such as `v1.36.3`."""
    found = re.search(
        r"^\s*(?:require )?k8s\.io/kubernetes (v\S+)", (_MODULE_FOLDER / "go.mod").read_text(), re.MULTILINE
    )
    if found is None:
        raise BuildError("tests/control_plane/go.mod requires no k8s.io/kubernetes; restore that line")
    return found[1]


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Where the built programs of this version are kept, whether or not they are there."""
    configured = environ.get("XDG_CACHE_HOME", "")
    # The base directory specification tells to ignore a relative path here.
    root = Path(configured) if Path(configured).is_absolute() else Path.home() / ".cache"
    return root / "k8s-auto-fixer" / "control-plane" / kubernetes_version()


def missing_binaries(folder: Path) -> list[str]:
    """The programs that `folder` lacks, in the order of BINARIES; empty means complete."""
    return [name for name in BINARIES if not os.access(folder / name, os.X_OK) or (folder / name).is_dir()]


def find_binaries(environ: Mapping[str, str]) -> Path | None:
    """The folder that holds all five programs, or None if they would have to be built.

    Raises SettingError if CONTROL_PLANE_BINARIES is set and incomplete.
    """
    if chosen := environ.get(FOLDER_SETTING):
        if missing := missing_binaries(Path(chosen)):
            raise SettingError(
                f"{FOLDER_SETTING}={chosen} lacks {', '.join(missing)}: "
                f"name a folder with {', '.join(BINARIES)}, or unset it"
            )
        return Path(chosen).resolve()
    envtest = environ.get(ENVTEST_SETTING)
    candidates = ([Path(envtest)] if envtest else []) + [cache_folder(environ)]
    return next((folder.resolve() for folder in candidates if not missing_binaries(folder)), None)


def build(environ: Mapping[str, str]) -> Path:
    """Builds the five programs into the cache and returns their folder. Minutes the first time.

    Raises NoGoError without a Go toolchain and BuildError if `go build` fails.
    """
    go = shutil.which("go", path=environ.get("PATH"))
    if go is None:
        raise NoGoError(
            f"no programs and no Go to build them: install Go ({_go_line()} or newer), "
            f"or set {FOLDER_SETTING} to a folder with {', '.join(BINARIES)}"
        )
    target = cache_folder(environ)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _only_builder(target.parent):
        if not missing_binaries(target):  # whoever held the lock before has built it
            return target
        with tempfile.TemporaryDirectory(prefix=".building-", dir=target.parent) as aside:
            folder = Path(aside) / "bin"
            _say(f"building Kubernetes {kubernetes_version()} from its Go modules, once; takes minutes")
            started = time.monotonic()
            _go_build(go, folder, environ)
            shutil.rmtree(target, ignore_errors=True)  # somebody deleted a part of it by hand
            folder.rename(target)
    _say(f"built in {time.monotonic() - started:.0f} s into {target}")
    return target


def _go_line() -> str:
    found = re.search(r"^go (\S+)", (_MODULE_FOLDER / "go.mod").read_text(), re.MULTILINE)
    return found[1] if found else "a current one"


@contextmanager
def _only_builder(folder: Path) -> Iterator[None]:
    """One builder a cache: two would double the minutes and the memory. Clears what a killed builder left."""
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("another build is at work here; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        for leftover in folder.glob(".building-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        yield


def _go_build(go: str, folder: Path, environ: Mapping[str, str]) -> None:
    folder.mkdir()
    command = [
        go,
        "build",
        "-mod=readonly",
        "-trimpath",
        "-ldflags",
        _linker_flags(),
        "-o",
        f"{folder}{os.sep}",
        "tool",
    ]
    # CGO off: no C compiler needed, and one static program each. GOWORK off: a go.work above us is not ours.
    process = subprocess.Popen(
        command,
        cwd=_MODULE_FOLDER,
        env={**environ, "CGO_ENABLED": "0", "GOWORK": "off"},
        stdin=subprocess.DEVNULL,
    )
    try:
        code = _wait(process)
    except BaseException:  # an interrupt must not leave the compiler running; the exception goes on its way
        process.send_signal(signal.SIGINT)  # on this one go stops its compilers and clears its work folder
        process.wait()
        raise
    if code != 0:
        raise BuildError(f"go build ended with {code}; its own words stand above (module proxy: see `go env GOPROXY`)")
    for name, built_as in _BUILT_AS.items():
        (folder / built_as).rename(folder / name)
    if missing := missing_binaries(folder):
        raise BuildError(f"go build made no {', '.join(missing)}: check the `tool` lines of tests/control_plane/go.mod")


def _wait(process: subprocess.Popen[bytes]) -> int:
    started = time.monotonic()
    while True:
        try:
            return process.wait(timeout=_PROGRESS_SECONDS)
        except subprocess.TimeoutExpired:
            _say(f"still building, {time.monotonic() - started:.0f} s so far")


def _linker_flags() -> str:
    """Strips symbols and stamps the version: without it the server calls itself v0.0.0-master."""
    version = kubernetes_version()
    major, minor, _ = version.removeprefix("v").split(".", 2)
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    # component-base answers /version and `kubectl version`; client-go's copy makes up the User-Agent.
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    stamps = [f"-X {package}.{name}={value}" for package in packages for name, value in values.items()]
    return " ".join(["-s", "-w", *stamps])


def _say(text: str) -> None:
    print(f"control plane: {text}", file=sys.stderr, flush=True)


def _stop(signum: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + signum)


def main() -> int:
    """Finds or builds; folder to stdout, words to stderr. 0 good, 1 failed, 2 bad setting, 3 no Go."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        if folder := find_binaries(os.environ):
            _say(f"Kubernetes programs are ready in {folder}")
        else:
            folder = build(os.environ)
    except KeyboardInterrupt:
        _say("interrupted; nothing half-built is kept")
        return 130
    except (SettingError, BuildError) as error:
        _say(str(error))
        return 2 if isinstance(error, SettingError) else 3 if isinstance(error, NoGoError) else 1
    print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
