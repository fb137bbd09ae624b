"""How certain a playbook may be, by what its opinion rests on: a few steps, so that families can be compared.

The threshold under which nothing is done without a person is a setting (0.8 by default), so that everything below
``LIKELY`` is a suggestion. The numbers are calibrated on the benchmark of repair: of the proposals made with at least
``CERTAIN``, none may be harmful, and nearly all have to end well.
"""

from __future__ import annotations

SEEN_WELL = 0.97
"""This very value was seen well here, in a revision with ready pods or one that the store recorded as well."""
ONLY_ONE_FITS = 0.9
"""Nothing else in the cluster fits: one candidate with all that is referenced, and the reference leads nowhere."""
CERTAIN = 0.85
"""One candidate by a clear margin, and what the kubelet or a controller says names the cause."""
LIKELY = 0.8
"""What was observed allows one explanation that a change can test, and undo if it was wrong."""
SUGGESTED = 0.6
"""Worth a person's look; never done without one."""
