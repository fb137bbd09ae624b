"""The rule about who proposed it: a model's change is for a person to decide, unless the policy says otherwise."""

import msgspec

from incidents.policy import Answer, Mode, Policy
from remediation.guardrails import View
from remediation.guardrails.request import model_proposal
from tests.builders import NOW, deployment, proposal


def view(author: str, *, model_auto: bool = False) -> View:
    made = msgspec.structs.replace(proposal(), author=author)
    policy = Policy(mode=Mode.AUTO, model_auto=model_auto)
    return View(policy=policy, proposal=made, live=deployment(), read_generation=2, now=NOW)


def test_what_a_model_proposes_needs_approval_in_mode_auto_too() -> None:
    (ruling,) = model_proposal(view("model/auto_fixer"))
    assert (ruling.rule, ruling.answer) == ("model-proposal", Answer.NEEDS_APPROVAL)


def test_auto_for_models_is_a_setting_of_its_own() -> None:
    assert list(model_proposal(view("model/auto_fixer", model_auto=True))) == []


def test_a_playbooks_proposal_is_none_of_its_business() -> None:
    assert list(model_proposal(view("playbook/image"))) == []
