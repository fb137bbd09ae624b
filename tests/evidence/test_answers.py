"""What an image says of itself, as playbooks get it: a line a fact, and nothing that could be a secret."""

from evidence.answers import described


def test_program_ports_user_and_platform_are_facts_of_their_own() -> None:
    run = {
        "Entrypoint": ["/app/web", "--serve"],
        "Cmd": ["--fast"],
        "ExposedPorts": {"8080/tcp": {}, "53/udp": {}},
        "User": "1000",
        "Env": ["PASSWORD=made-up"],
    }
    assert described({"os": "linux", "architecture": "arm64", "config": run}) == [
        "entrypoint=/app/web",
        "entrypoint=--serve",
        "cmd=--fast",
        "port=53/udp",
        "port=8080/tcp",
        "user=1000",
        "platform=linux/arm64",
    ]


def test_what_is_no_config_has_no_program() -> None:
    assert described({"config": "nothing"}) == ["platform=None/None"]
    assert described({"config": {"Entrypoint": "/app/web"}}) == ["platform=None/None"]


def test_a_long_answer_is_cut() -> None:
    many = described({"config": {"Cmd": ["x" * 900] * 500}})
    assert len(many) == 60
    assert max(map(len, many)) < 320


def test_ports_of_another_shape_are_none() -> None:
    for odd in (8080, "8080/tcp", ["8080/tcp"], None):
        assert described({"config": {"ExposedPorts": odd}}) == ["platform=None/None"]
