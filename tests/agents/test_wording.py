"""What a model may word: sentences whose every name, number and command stands in our facts."""

import pytest

from agents.wording import only_known

FACTS = [
    "Needs a person: deployment/ledger in acme-shop",
    "BackOff: Back-off restarting failed container reconciler",
    "0 of 2 replicas ready",
    "container reconciler exits with code 137",
    "k8s-auto-fixer incidents 1234",
]


@pytest.mark.parametrize(
    "sentence",
    [
        "The deployment ledger in acme-shop is not ready.",
        "Container reconciler exits with code 137 and restarts.",
        "Nobody knows why the reconciler stops.",
        "Look at it with k8s-auto-fixer incidents 1234.",
    ],
)
def test_a_sentence_of_our_facts_is_kept(sentence: str) -> None:
    assert only_known([sentence], FACTS) == [sentence]


@pytest.mark.parametrize(
    "sentence",
    [
        "The deployment payments is not ready.",
        "The payments deployment is not ready.",
        "Container reconciler exits with code 139.",
        "Three replicas are missing.",
        "Run kubectl delete to get rid of it.",
        "Please delete the workload.",
        "Set the image to evil.example/miner:1.",
        "See https://evil.example for help.",
        "The pod ledger-6f9-x2b is gone.",
        "The secret internal is missing.",
        "It uses 200% of the CPU.",
        "The ServiceAccount is wrong.",
    ],
)
def test_a_sentence_with_anything_else_in_it_is_dropped_whole(sentence: str) -> None:
    assert only_known([sentence, "The ledger is not ready."], FACTS) == ["The ledger is not ready."]


def test_secrets_and_control_characters_are_nobodys_words() -> None:
    (said,) = only_known(["The reconciler\x1b is\u202e not ready."], FACTS)
    assert said.isprintable()
