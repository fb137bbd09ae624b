"""The guardrails: small functions, each with a rule id, over one frozen view of a proposed change.

``before_dry_run`` judges what was asked, ``on_difference`` what would happen. A rule that has nothing to say
answers nothing; if none allows, the verdict is a refusal.
"""

from remediation.guardrails.chain import before_dry_run, just_before, on_difference
from remediation.guardrails.view import Source, View

__all__ = ["Source", "View", "before_dry_run", "just_before", "on_difference"]
