"""What the cluster's own state decides: one failure family a file, pure, milliseconds, no tokens.

A playbook answers ``Opinion`` when it is certain, ``Needs`` when it would be if it knew more, and ``Silent``
otherwise. It never proposes again what a round of this incident has proved to be no better.
"""

from playbooks.consult import consult
from playbooks.registry import Playbook, PlaybookError, all_playbooks, offer, withdraw

__all__ = ["Playbook", "PlaybookError", "all_playbooks", "consult", "offer", "withdraw"]
