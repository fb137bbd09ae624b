"""Commands that cannot be run: the image's own program, or a person."""

from typing import Any

import msgspec
import pytest

from incidents.evidence import Evidence
from incidents.proposals import Diagnosis, Needs, Opinion, SetField, Silent
from playbooks.command import consider
from playbooks.confidence import LIKELY
from tests.builders import container, deployment, ended, evidence, pod, replica_set, snapshot, template, waiting

Object = dict[str, Any]
IMAGE = "registry.example/shop/web:2.4.1"
PORTS = [{"containerPort": 8080}]
COMMAND = "/spec/template/spec/containers[web]/command"


def not_in_image(word: str) -> str:
    why = f"stat {word}: no such file or directory" if "/" in word else "executable file not found in $PATH"
    return f'failed to create containerd task: runc create failed: exec: "{word}": {why}'


def failing(
    said: str = "",
    *,
    image: str = IMAGE,
    own: list[str] | None = None,
    log: str = "",
    code: int = 128,
    well: bool = False,
    **fields: Any,
) -> Evidence:
    present = template(container(image=image, **fields))
    new = replica_set(present)
    broken = pod(
        waiting("CrashLoopBackOff", "back-off", restarts=2, last={**ended(code=code), "message": said}), of=new
    )
    answers = {f"image-config:{image}": tuple(f"entrypoint={word}" for word in own)} if own is not None else {}
    taken = snapshot(deployment(present), [new], [broken])
    return evidence(taken, answers=answers, log=log, seen_well=[2] if well else [])


def told(taken: Evidence) -> Diagnosis:
    answer = consider(taken, ())
    assert isinstance(answer, Silent), answer
    assert answer.diagnosis is not None
    return answer.diagnosis


def edits(taken: Evidence) -> object:
    answer = consider(taken, ())
    assert isinstance(answer, Opinion), answer
    return answer.proposal.action


def test_what_the_image_says_of_itself_is_asked_first() -> None:
    answer = consider(failing(not_in_image("/app/wbe"), command=["/app/wbe"]), ())
    assert isinstance(answer, Needs)
    assert [want.key for want in answer.wants] == [f"image-config:{IMAGE}"]


def test_a_slip_of_the_images_own_program_is_corrected_and_its_words_stay() -> None:
    taken = failing(not_in_image("/app/wbe"), command=["/app/wbe", "--port=8080"], own=["/app/web"])
    assert edits(taken) == (SetField(path=f"{COMMAND}/0", expected="/app/wbe", value="/app/web"),)


def test_without_a_registry_it_is_the_program_that_has_the_images_name() -> None:
    taken = failing(not_in_image("/app/wbe"), command=["/app/wbe"], own=[])
    assert edits(taken) == (SetField(path=f"{COMMAND}/0", expected="/app/wbe", value="/app/web"),)


def test_a_command_that_is_in_no_image_gives_way_to_the_images_own() -> None:
    taken = failing(not_in_image("/usr/bin/begin"), command=["/usr/bin/begin"], own=["/app/web"], ports=PORTS)
    assert edits(taken) == (SetField(path=COMMAND, expected=["/usr/bin/begin"], value=None),)


def test_of_an_official_server_that_is_known_without_a_registry() -> None:
    taken = failing(not_in_image("begin"), image="nginx:1.28", command=["begin"], own=[], ports=PORTS)
    assert edits(taken) == (SetField(path=COMMAND, expected=["begin"], value=None),)


@pytest.mark.parametrize(
    ("image", "word", "own", "alone"),
    [
        ("nginx:1.28", "begin", [], True),
        ("redis:7", "sentry", ["docker-entrypoint.sh"], False),  # the sentinel of the same image is another program
        ("nextcloud:30", "/corn.sh", ["/entrypoint.sh"], False),
        ("registry.example/shop/app:5", "worker", ["/app/server"], False),
        ("registry.example/shop/app:5", "server", ["/app/server"], True),
        ("registry.example/shop/app:5", "sevrer", ["/app/server"], True),
        ("registry.example/shop/orders:5", "/srv/orders", ["/app/server"], True),
    ],
)
def test_an_override_is_dropped_without_a_person_only_where_no_other_program_can_be_meant(
    image: str, word: str, own: list[str], alone: bool
) -> None:
    answer = consider(failing(not_in_image(word), image=image, command=[word], own=own, ports=PORTS), ())
    assert isinstance(answer, Opinion), answer
    assert answer.proposal.action == (SetField(path=COMMAND, expected=[word], value=None),)
    assert (answer.proposal.confidence >= LIKELY) is alone
    assert alone or f"that {word} should be another program" in answer.proposal.reason


@pytest.mark.parametrize(
    "fields",
    [
        {"own": [], "ports": PORTS},  # nobody knows what the image runs
        {"own": ["/app/web"], "args": ["--port=8080"], "ports": PORTS},  # words for another program
        {"own": ["/app/web"], "well": True, "ports": PORTS},
        {"own": [], "image": "busybox:1.37", "ports": PORTS},  # runs what it is told to, and nothing of itself
        {"own": ["/app/web"]},  # perhaps there to do something once, with what else is in the image
    ],
)
def test_else_nothing_is_dropped(fields: Object) -> None:
    assert "/usr/bin/begin" in told(failing(not_in_image("/usr/bin/begin"), command=["/usr/bin/begin"], **fields)).cause


def test_where_an_image_has_no_entrypoint_arguments_are_the_command() -> None:
    taken = failing(not_in_image("ngnix"), args=["ngnix", "-g", "daemon off;"], own=[])
    taken = msgspec.structs.replace(taken, answers={f"image-config:{IMAGE}": ("cmd=nginx", "cmd=-g")})
    path = COMMAND.replace("command", "args/0")
    assert edits(taken) == (SetField(path=path, expected="ngnix", value="nginx"),)


def test_a_slip_in_a_short_name_is_one_of_the_only_program_there_is_in_that_folder() -> None:
    taken = failing(not_in_image("/app/ek"), command=["/app/ek"], own=["/app/elk"])
    assert edits(taken) == (SetField(path=f"{COMMAND}/0", expected="/app/ek", value="/app/elk"),)
    assert told(failing(not_in_image("/bin/ek"), command=["/bin/ek"], own=["/app/elk"])).family == "command"


def test_a_script_whose_interpreter_is_missing_is_told_so() -> None:
    assert "interpreter" in told(failing("exec /app/run.sh: no such file or directory")).cause


def test_more_than_one_word_is_not_dropped() -> None:
    taken = failing(not_in_image("/usr/bin/begin"), command=["/usr/bin/begin", "all"], own=["/app/web"])
    assert told(taken).family == "command"


def test_an_error_about_another_word_than_the_command_changes_nothing() -> None:
    assert told(failing(not_in_image("/app/helper"), command=["/app/web"], own=["/app/web"])).family == "command"


def test_a_program_for_another_processor_is_told() -> None:
    assert "another processor" in told(failing("exec /app/web: exec format error")).cause


def test_a_shell_line_is_told_with_the_word_that_is_not_there() -> None:
    taken = failing(code=127, command=["sh", "-c", "rsync-all /srv"], log="sh: rsync-all: not found")
    said = told(taken)
    assert "rsync-all" in said.cause
    assert said.rests_on == ("sh: rsync-all: not found",)


def test_an_option_that_was_given_and_is_not_known_is_told() -> None:
    taken = failing(code=2, args=["--listen=:8080", "--colour=red"], log="error: unknown flag: --colour")
    assert "--colour=red" in told(taken).cause


def test_an_option_that_nobody_gave_is_somebody_elses_word() -> None:
    taken = failing(code=2, args=["--listen=:8080"], log="error: unknown flag: --colour")
    assert consider(taken, ()) == Silent("every command can be run")
