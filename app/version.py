"""The program's version, and what its requests call themselves."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("k8s-auto-fixer")
except PackageNotFoundError:  # a checkout that is not installed
    VERSION = "0.0.0+checkout"

USER_AGENT = f"k8s-auto-fixer/{VERSION}"
