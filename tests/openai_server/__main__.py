"""Starts the server for a person, who points OPENAI_BASE_URL at it; it ends with Ctrl-C.

python -m tests.openai_server --script FILE
python -m tests.openai_server --cassette FILE [--loose]
python -m tests.openai_server --record FILE --upstream https://host/v1     (with the caller's own key)
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from pathlib import Path

from tests.openai_server.cassette import Cassette, Recorder, load_cassette
from tests.openai_server.script import Policy, load_script
from tests.openai_server.server import ModelServer


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.openai_server", description=__doc__.splitlines()[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--script", type=Path, help="JSON list of steps to play")
    what.add_argument("--cassette", type=Path, help="recording to play")
    what.add_argument("--record", type=Path, help="file to record into")
    parser.add_argument("--upstream", help="address of the server to record, https://host/v1 for example")
    parser.add_argument("--loose", action="store_true", help="play recordings of other words with the same schema too")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 is any")
    return parser.parse_args()


def _says(given: argparse.Namespace) -> Policy | Cassette | Recorder:
    if given.script:
        return load_script(given.script)
    if given.cassette:
        return load_cassette(given.cassette, loose=given.loose)
    if not given.upstream:
        raise ValueError("--record needs --upstream: the address of the server to record")
    return Recorder(given.upstream)


async def _serve(given: argparse.Namespace) -> None:
    says = _says(given)
    try:
        async with ModelServer(says, port=given.port) as server:
            print(f"OPENAI_BASE_URL={server.base_url} OPENAI_API_KEY=any", flush=True)
            await asyncio.Event().wait()
    finally:
        if isinstance(says, Recorder):
            says.save(given.record)


def main() -> None:
    """Serve until somebody ends it."""
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_serve(_arguments()))
    except ValueError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
