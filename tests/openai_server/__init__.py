"""A server on loopback that speaks OpenAI's protocol, plays scripts and cassettes, and misbehaves on demand.

    async with ModelServer(Script.of(Step(object={"next": "Coder", "reason": "logs"}))) as server:
        ...  # OPENAI_BASE_URL=server.base_url, any key; afterwards: server.asked

It answers `POST /v1/chat/completions` and `POST /v1/responses`, streamed or not, with tools, structured answers and
usage, and `GET /v1/models`. What it does not do: images, audio, files, stored conversations, several choices, logprobs,
parallel requests of one conversation told apart, and any judgement of its own: it says what it is told to say.
`python -m tests.openai_server --script FILE` starts it for a person.
"""

from tests.openai_server.asked import Asked
from tests.openai_server.cassette import Cassette, Recorder, load_cassette
from tests.openai_server.script import Call, Misbehaviour, Script, Step, When, load_script
from tests.openai_server.server import ModelServer

__all__ = [
    "Asked",
    "Call",
    "Cassette",
    "Misbehaviour",
    "ModelServer",
    "Recorder",
    "Script",
    "Step",
    "When",
    "load_cassette",
    "load_script",
]
