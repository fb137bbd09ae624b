"""The one road on which a workload is changed: seal, guard, dry run, guard the difference, apply, verify, undo.

Nothing else imports the module that writes. ``open_remediation`` gives the rest of the program what it needs.
"""

from remediation.attempt import Attempt
from remediation.road import Remediation, open_remediation

__all__ = ["Attempt", "Remediation", "open_remediation"]
