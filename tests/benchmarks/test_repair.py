"""The benchmark of repair and harm: a run's mark, what many come to, and that an interrupted one goes on."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from typer.testing import CliRunner

from benchmarks.repair import __main__ as bench
from benchmarks.repair import parts, playing
from benchmarks.repair.finished import Finished
from benchmarks.repair.published import BEGIN, END, MarkersMissing, Published, publish, published_of, with_table
from benchmarks.repair.report import Results, closed_gaps, regressions, results_of, write
from benchmarks.repair.run import Mark, Run, Tried
from benchmarks.repair.sampling import numbered, one_of_each
from benchmarks.repair.score import calibration_of, rows_of, totals_of
from benchmarks.repair.tables import percent
from simulator.scenario import load_scenario, load_scenarios
from tests.prove.revision import Revision

HERE = Revision("abc")


def run(scenario: str = "oom", **fields: Any) -> Run:
    known = {
        "family": "memory", "words": "first", "seed": 1, "side": "embedded", "expected": "resolved",
        "outcome": "resolved", "families": ("memory",),
    }  # fmt: skip
    return Run(**{"scenario": scenario, **known, **fields})


def told(**fields: Any) -> Run:
    said: dict[str, Any] = {"diagnosed": ("memory",), "causes": ("container web needs more than 64Mi",)}
    return run(**{"expected": "escalated", "outcome": "escalated", "cause": (("64Mi", "limit"),), **said, **fields})


@pytest.mark.parametrize(
    ("made", "mark"),
    [
        (run(), Mark.REPAIRED),
        (run(outcome="escalated"), Mark.MISSED),
        (run(problems=("web: readyReplicas is 0, not 1",)), Mark.MISSED),
        (run(harms=("field: web",)), Mark.HARMFUL),
        (run(missing=("BackOff of a Pod ()",)), Mark.INVALID),
        (told(), Mark.TOLD),
        (told(outcome="asked"), Mark.TOLD),
        (told(diagnosed=()), Mark.ILL_TOLD),
        (told(diagnosed=("image",)), Mark.ILL_TOLD),
        (told(causes=("who knows",)), Mark.ILL_TOLD),
        (told(outcome="left_alone"), Mark.MISSED),
        (told(outcome="resolved"), Mark.MISSED),
        (told(problems=("generation is 2, not 1",)), Mark.MISSED),
        (told(outcome="left_alone", also="left_alone"), Mark.LEFT_ALONE),
        (run(expected="left_alone", outcome="left_alone"), Mark.LEFT_ALONE),
        (run(expected="left_alone", outcome="escalated"), Mark.MISSED),
        (run(expected="left_alone", also="escalated", outcome="escalated"), Mark.TOLD),
        (run(expected="left_alone", outcome="left_alone", harms=("created: pod",)), Mark.HARMFUL),
    ],
)
def test_a_run_is_marked_by_what_was_asked_and_what_came_of_it(made: Run, mark: Mark) -> None:
    assert made.mark is mark


def test_every_entry_of_a_cause_has_to_be_said_and_one_word_of_it_is_enough() -> None:
    asked = (("a100", "accelerator"), ("node",))
    assert told(cause=asked, causes=("no Node has Accelerator",)).mark is Mark.TOLD
    assert told(cause=asked, causes=("nothing has an accelerator",)).mark is Mark.ILL_TOLD


def test_pass_k_counts_scenarios_that_passed_every_time_and_pass_1_runs() -> None:
    runs = [run(seed=seed) for seed in (1, 2)] + [run("leak", seed=1), run("leak", seed=2, outcome="escalated")]
    totals = totals_of(runs)
    assert (totals.pass_1, totals.pass_k, totals.k, totals.repaired) == (0.75, 0.5, 2, 0.75)
    assert totals.unharmed is None
    assert [(row.scenario, row.passes, row.runs) for row in rows_of(runs)] == [("oom", 2, 2), ("leak", 1, 2)]


def test_a_known_gap_is_no_regression_harm_always_is_and_a_closed_gap_is_told() -> None:
    runs = [
        run("a", outcome="escalated", gap="not yet"),
        run("b", outcome="escalated"),
        run("c", gap="not yet", harms=("deleted: x",)),
        run("d", gap="not yet"),
        told(scenario="e", diagnosed=(), untold="not yet"),
        told(scenario="f", outcome="left_alone", untold="not yet"),
    ]
    assert regressions(rows_of(runs)) == ["c: deleted: x", "b: 0 of 1 passed: missed 1", "f: 0 of 1 passed: missed 1"]
    assert closed_gaps(rows_of(runs)) == {"d": "not yet"}


def test_what_is_written_says_the_same_as_data_as_a_page_and_as_a_picture(tmp_path: Path) -> None:
    runs = [run(to_verified=12.0), run("leak", outcome="escalated", harms=("field: x",)), told(scenario="told")]
    made = results(*runs)
    data, page, picture = write(made, tmp_path)
    assert msgspec.json.decode(data.read_bytes(), type=Results) == made
    text = page.read_text()
    assert "**50 % of 2 repairable runs repaired; of 1 others" in text
    assert "harmful: 1.**" in text
    assert "| oom | memory | resolved | repaired 1 | 1/1 | 12 |" in text
    assert "- leak: field: x" in text
    assert "1 of 3 runs repaired" in shown(picture)


def shown(picture: Path) -> str:
    """The words in a picture."""
    return " ".join(ElementTree.fromstring(picture.read_text()).itertext())  # noqa: S314 - our own file


def results(*runs: Run) -> Results:
    return results_of(runs, HERE, date="2026-01-02", speed=20.0, machine={}, settings={})


def test_each_set_and_side_has_files_of_its_own(tmp_path: Path) -> None:
    names = set()
    for words, side in (("first", "embedded"), ("second", "embedded"), ("first", "real")):
        names |= {path.name for path in write(results(run(words=words, side=side)), tmp_path)}
    assert len(names) == 9


def test_confidence_is_counted_by_its_steps_and_what_was_not_made_did_not_hold() -> None:
    made = (Tried("oom", 0.97, "well"), Tried("oom", 0.93, "no-better"), Tried("image", 0.9, "well"))
    tried = (*made, Tried("oom", 0.6))
    steps = calibration_of([run(tried=tried), run("leak", tried=(Tried("oom", 0.9, "better"),), harms=("field: x",))])
    assert [(step.least, step.author, step.proposals, step.made, step.held, step.harmful) for step in steps] == [
        (0.97, "", 1, 1, 1, 0), (0.9, "", 3, 3, 2, 1), (0.9, "oom", 2, 2, 1, 1), (0.0, "", 1, 0, 0, 0),
    ]  # fmt: skip


# --- what is published


@pytest.fixture
def published(tmp_path: Path) -> tuple[Path, Published]:
    """Two parts, one of which fell short, published in a folder with a README."""
    embedded = [run(seed=seed, to_verified=12.0, tried=(Tried("oom", 0.9, "well"),)) for seed in (1, 2)]
    real = [run(side="real", outcome="escalated", gap="no metrics"), told(side="real", scenario="told")]
    found = published_of([results(*embedded), results(*real)])
    (tmp_path / "README.md").write_text(f"# It\n\n{BEGIN}\nold\n{END}\n\nmore\n")
    publish(found, tmp_path, tmp_path / "README.md")
    return tmp_path, found


def test_what_is_published_has_every_part_and_no_runs(published: tuple[Path, Published]) -> None:
    folder, found = published
    assert msgspec.json.decode((folder / "repair.json").read_bytes(), type=Published) == found
    assert [part.runs for part in found.parts] == [[], []]
    page = (folder / "repair.md").read_text()
    assert "| embedded | first set | 1 scenarios × 2 | 100 % of 2 | - of 0 | 0 | 100 % | 100 % |" in page
    assert "| oom | memory | resolved | 2/2 repaired | **0/1** missed | 12 / - | 0 | 0 | 0 |" in page
    assert "| 0.9 and more | all | 2 | 2 | 2 | 0 |" in page
    assert "- oom: no metrics" in page
    assert "real cluster, first set: 2 scenarios" in shown(folder / "repair.svg")


def test_the_table_of_the_readme_takes_the_old_ones_place_and_nothing_else(published: tuple[Path, Published]) -> None:
    readme = (published[0] / "README.md").read_text()
    assert readme.startswith(f"# It\n\n{BEGIN}\n\n| cluster |")
    assert readme.endswith(f"|\n\n{END}\n\nmore\n")
    assert "old" not in readme
    with pytest.raises(MarkersMissing, match="has no place for the table"):
        with_table("# It\n", [])


def test_only_what_has_been_played_whole_is_a_part(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(parts, "load_scenarios", lambda: [load_scenario("oom"), load_scenario("leak")])
    finished = Finished(HERE, path=tmp_path / "runs.json")
    finished.add([run("oom", seed=1), run("leak", seed=1), run("oom", seed=2), run("oom", words="second")])
    found = parts.whole_parts(finished)
    assert [(part.words, part.side, part.seeds) for part in found] == [("first", "embedded", (1,))]


def test_a_key_is_wanted_where_it_can_be_played_and_once_for_each_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    bound = replace(load_scenario("leak"), embedded_only="it needs a cloud")
    monkeypatch.setattr(playing, "load_scenarios", lambda: [load_scenario("oom"), bound])
    there = playing.wanted(["oom", "leak"], words="first", seeds=[1, 2], side="real")
    here = playing.wanted(["oom", "leak"], words="first", seeds=[1, 2], side="embedded")
    assert [(key.scenario, key.seed) for key in there] == [("oom", 1), ("oom", 2)]
    assert len(here) == 4


def test_what_is_for_a_program_that_may_list_secrets_is_played_by_itself(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    granted = replace(load_scenario("leak"), secret_keys=True)
    monkeypatch.setattr(playing, "load_scenarios", lambda: [load_scenario("oom"), granted])
    monkeypatch.setattr(playing, "_on_embedded_ones", lambda batches, processes: [[batch] for batch in batches])
    keys = playing.wanted(["oom", "leak", "quota"], words="first", seeds=[1], side="embedded")
    made: Any = playing.played(keys, Finished(HERE, path=tmp_path / "runs.json"), pace=playing.Pace())
    assert [(batch.names, batch.secret_keys) for (batch,) in made] == [(("oom", "quota"), False), (("leak",), True)]


def test_what_has_been_played_is_not_played_again_at_the_same_revision(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "runs.json"
    Finished(HERE, path=path).add([run(seed=1), run(seed=2)])
    again = Finished(HERE, path=path)
    assert again.has(run(seed=2).key)
    assert not again.has(run(seed=3).key)
    assert again.of([run(seed=2).key, run(seed=9).key]) == [run(seed=2)]
    assert not Finished(Revision("abd"), path=path).has(run(seed=1).key)
    assert not Finished(HERE, path=path, fresh=True).has(run(seed=1).key)
    path.write_text('{"revision": "abc", "runs": [{"an": "older shape"}]}')
    assert not Finished(HERE, path=path).has(run(seed=1).key)


def test_the_sample_has_one_of_each_family_and_those_with_a_gap_have_their_turn() -> None:
    scenarios = load_scenarios()
    drawn = one_of_each(scenarios, seed="a commit")
    assert len(drawn) == len({item.family for item in scenarios})
    assert one_of_each(scenarios, seed="a commit") == drawn
    over = {name for number in range(300) for name in one_of_each(scenarios, seed=str(number))}
    assert over == {item.name for item in scenarios}
    assert numbered("a commit") == numbered("a commit") != numbered("another")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["--only", "nonsense"], "there is no scenario 'nonsense'"), (["--set", "third"], "use one of first, second")],
)
def test_a_wrong_argument_is_one_clear_error(arguments: list[str], says: str) -> None:
    done = CliRunner().invoke(bench.app, arguments)
    assert done.exit_code == 2
    assert says in " ".join(done.output.split())


@pytest.mark.parametrize(("outcome", "code"), [("resolved", 0), ("escalated", 1)])
def test_the_exit_code_is_what_the_runs_are_worth(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, outcome: str, code: int
) -> None:
    path = tmp_path / "runs.json"
    Finished(HERE, path=path).add([run(outcome=outcome)])
    monkeypatch.setattr(bench, "revision", lambda: HERE)
    monkeypatch.setattr(bench, "Finished", lambda found, fresh: Finished(found, path=path, fresh=fresh))
    done = CliRunner().invoke(bench.app, ["--only", "oom", "--repetitions", "1"])
    assert done.exit_code == code, done.output
    assert ("oom: 0 of 1 passed" in done.output) is (code == 1)


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        ({"outcome": "escalated"}, {"outcome": "resolved"}, 0),
        ({"outcome": "escalated"}, {"outcome": "escalated"}, 1),
        ({"outcome": "resolved", "harms": ("a limit is gone",)}, {"outcome": "resolved"}, 1),
    ],
    ids=["missed once", "missed twice", "harmed once"],
)
def test_what_was_missed_has_a_second_chance_and_what_was_harmed_has_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, first: dict[str, Any], second: dict[str, Any], code: int
) -> None:
    path, ways = tmp_path / "runs.json", [first, second]

    def play(console: Any, keys: Any, finished: Finished, pace: Any) -> int:
        if not all(finished.has(key) for key in keys):
            finished.add([run(**ways.pop(0))])
        return 0

    monkeypatch.setattr(bench, "revision", lambda: HERE)
    monkeypatch.setattr(bench, "Finished", lambda found, fresh: Finished(found, path=path, fresh=fresh))
    monkeypatch.setattr(bench, "play_all", play)
    done = CliRunner().invoke(bench.app, ["--only", "oom", "--repetitions", "1", "--again"])
    assert done.exit_code == code, done.output


def test_a_share_of_nothing_is_a_dash() -> None:
    assert (percent(None), percent(1.0), percent(0.9543)) == ("-", "100 %", "95.4 %")
