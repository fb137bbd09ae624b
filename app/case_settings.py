"""What a recorded run says of the program that decided: version, playbooks, prompts, and the settings that matter."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from agents.commands import Commands
from agents.prompts import Prompts, load_prompts
from app.place import commands_of
from app.settings import Settings
from app.version import VERSION
from incidents.policy import Policy
from incidents.recording import About
from playbooks import all_playbooks
from tools.clock import Clock


def about_of(settings: Settings, policy: Policy, clock: Clock, prompts: Prompts) -> About:
    """What every run of this process rests on."""
    commands = commands_of(settings)
    return About(
        version=VERSION,
        playbooks=playbook_versions(),
        prompts=prompts.versions,
        policy=policy,
        speed=clock.speed,
        settle_seconds=settings.settle_seconds,
        grace_seconds=settings.grace_seconds,
        namespace=commands.namespace,
        store=str(commands.store) if commands.store is not None else "",
    )


def about_of_this_program() -> About:
    """The same of the program that replays; its settings are the recording's."""
    return About(version=VERSION, playbooks=playbook_versions(), prompts=load_prompts().versions, policy=Policy())


def commands_then(about: About) -> Commands:
    """The commands that people were told then."""
    return Commands(namespace=about.namespace, store=Path(about.store) if about.store else None)


def playbook_versions() -> dict[str, str]:
    """A digest of the code of each family: it tells whether a replay asks the same playbooks."""
    return {family: _digest(str(playbook.consider.__module__)) for family, playbook in all_playbooks().items()}


def _digest(module: str) -> str:
    source = sys.modules[module].__file__
    return hashlib.sha256(Path(source).read_bytes()).hexdigest()[:16] if source else ""
