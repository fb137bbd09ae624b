"""How people and models meet what has to be made anew: the commands are whole or not told, and no value is shown."""

import msgspec
import pytest

from agents.answers import ProposedChange
from agents.applying import command_of
from agents.case_notice import told_undo
from agents.commands import Commands
from agents.proposing import proposal_of
from evidence.recorded import without_values
from incidents.changes import Anew, LeafChange
from incidents.objects import JOB, SERVICE_ACCOUNT, ObjectRef, Uid
from incidents.proposals import Action, Create, Drain, Proposal, Recreate, SetField
from playbooks.edits import created
from tests.agents.brains import setting
from tests.builders import change, proposal
from tests.playbooks.test_made_anew import misspelt

CLASS = SetField(path="/spec/storageClassName", expected="fsat", value="fast")
LEAF = LeafChange(pointer=CLASS.path, before="fsat", after="fast")


def about(kind: str, api_version: str, action: Action) -> Proposal:
    target = ObjectRef(api_version=api_version, kind=kind, namespace="shop", name="albums", uid=Uid("u"))
    return msgspec.structs.replace(proposal(target=target), action=action)


def test_a_claim_is_made_anew_by_a_command_that_says_all_of_it() -> None:
    command = command_of(about("PersistentVolumeClaim", "v1", Recreate(edits=(CLASS,))), (LEAF,))
    assert command.startswith("kubectl -n shop patch persistentvolumeclaim albums --type=json -p ")
    assert command.endswith(" --dry-run=client -o json | kubectl replace --force -f -")


@pytest.mark.parametrize("leaf", [LEAF, LeafChange(pointer="/spec/env/0/value", before="a", after="b")])
def test_no_command_is_told_for_a_job_for_kubectl_would_lose_it(leaf: LeafChange) -> None:
    assert command_of(about(JOB.kind, JOB.api_version, Recreate(edits=(CLASS,))), (leaf,)) == ""


def test_a_cordon_is_one_word_and_an_eviction_is_no_command() -> None:
    cordon = SetField(path="/spec/unschedulable", expected=None, value=True)
    leaf = LeafChange(pointer=cordon.path, before=None, after=True)
    assert command_of(about("Node", "v1", (cordon,)), (leaf,)) == "kubectl cordon albums"
    drain = Drain(edits=(cordon,), owners=(Uid("web"),), pods=())
    assert command_of(about("Node", "v1", drain), (leaf,)) == ""


def test_a_service_account_is_created_by_its_name() -> None:
    target, action = created(SERVICE_ACCOUNT, "shop", "clerk")
    made = msgspec.structs.replace(proposal(target=target), action=action)
    assert command_of(made, ()) == "kubectl -n shop create serviceaccount clerk"
    other = msgspec.structs.replace(made, target=msgspec.structs.replace(target, kind="Secret"))
    assert command_of(msgspec.structs.replace(other, action=Create(manifest={})), ()) == ""


def test_it_is_taken_back_by_the_program_and_its_values_leave_the_store_in_no_form() -> None:
    kept = Anew(before={"spec": {"env": "hunter2"}}, after={"spec": {"env": "hunter3"}})
    made = change(anew=kept)
    assert told_undo(made, Commands()) == Commands().undo(made.id)
    assert without_values(made).anew is None


def test_what_a_model_wants_set_in_a_job_is_to_be_made_anew() -> None:
    seen = misspelt("Job", "1.28-alpine")
    path = "/spec/template/spec/containers[web]/image"
    asked = ProposedChange.model_validate(setting(path, "nginx:1.28-alpnie", "nginx:1.28-alpine"))
    edit = SetField(path=path, expected="nginx:1.28-alpnie", value="nginx:1.28-alpine")
    assert proposal_of(asked, seen, ()).action == Recreate(edits=(edit,))
