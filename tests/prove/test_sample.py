"""The draw: one of each family, the same for the same seed, and every scenario in its turn."""

from dataclasses import replace

from simulator.scenario import load_scenarios

from .revision import UNKNOWN, commit
from .sample import SEED_SETTING, one_per_family, seed

ALL = load_scenarios()


def test_each_family_is_drawn_once_and_the_same_seed_draws_the_same() -> None:
    drawn = one_per_family(ALL, seed="a commit")
    may_be = {item.family for item in ALL if not item.gap and not item.embedded_only}
    assert sorted(item.family for item in drawn) == sorted(may_be)
    assert one_per_family(ALL, seed="a commit") == drawn


def test_over_many_seeds_every_scenario_has_its_turn() -> None:
    drawn = {item.name for number in range(200) for item in one_per_family(ALL, seed=str(number))}
    assert drawn == {item.name for item in ALL if not item.embedded_only and not item.gap and not item.secret_keys}


def test_what_runs_on_the_embedded_cluster_alone_is_never_drawn() -> None:
    alone = [replace(item, embedded_only="it needs a cloud") if item.family == "image" else item for item in ALL]
    assert not [item for item in one_per_family(alone, seed="x") if item.family == "image"]


def test_a_new_family_changes_nothing_about_the_draws_of_the_others() -> None:
    more = [replace(ALL[0], name="another", family="another"), *ALL]
    assert one_per_family(more, seed="x")[1:] == one_per_family(ALL, seed="x")


def test_the_seed_is_the_setting_or_the_commit_or_a_word() -> None:
    assert seed({SEED_SETTING: "mine"}) == "mine"
    assert seed({}) == (commit() or UNKNOWN)
