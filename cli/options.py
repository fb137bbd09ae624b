"""The flags that name the store and the settings: the same ones on every command that acts by them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

StoreFile = Annotated[Path | None, typer.Option("--store", help="the state's SQLite file")]
Config = Annotated[Path | None, typer.Option("--config", help="YAML file of settings; environment and flags win")]
