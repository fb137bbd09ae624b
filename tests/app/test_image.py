"""The image: the commands that people are told work in a pod of it."""

import re
from pathlib import Path

DOCKERFILE = Path(__file__).parents[2] / "Dockerfile"


def test_the_program_is_on_the_path_of_whoever_execs_into_a_pod() -> None:
    text = DOCKERFILE.read_text()
    entry = re.search(r'^ENTRYPOINT \["(/[^"]+)/k8s-auto-fixer"\]', text, re.MULTILINE)
    assert entry is not None
    assert re.search(rf"^ENV PATH={re.escape(entry[1])}:\$PATH$", text.rpartition("\nFROM ")[2], re.MULTILINE)
