"""The parts of the graph from what they work with: the same for a cluster and for a recording of one.

Whoever runs incidents, a daemon or a replay, hands in a collector, a road, a search, a sandbox and models; which agent
gets what is decided here alone, so that a replay never decides with other parts than the daemon did.
"""

from __future__ import annotations

from agents.coder import Coder
from agents.commands import Commands
from agents.help_seeker import HelpSeeker
from agents.reasoning import Reasoning
from agents.researcher import Researcher
from agents.supervisor import Supervisor
from agents.thinking import Thinking
from evidence.collector import Collector
from evidence.readings import Readings
from graph.build import Parts
from incidents.patience import Patience
from remediation import Remediation
from tools.clock import Clock
from tools.cluster.owners import Owners
from tools.cluster.reader import Reader
from tools.notify.outbox import Outbox
from tools.sandbox.contract import Sandbox
from tools.search import Search
from tools.store import Store


def parts_of(
    *,
    reader: Reader,
    owners: Owners,
    store: Store,
    outbox: Outbox,
    collector: Collector,
    remediation: Remediation,
    search: Search,
    sandbox: Sandbox,
    reasoning: Reasoning,
    commands: Commands,
    clock: Clock,
    patience: Patience,
    readings: Readings | None = None,
) -> Parts:
    """Everything the nodes work with. ``reasoning`` without a brain leaves everything to the rules."""
    return Parts(
        reader=reader,
        owners=owners,
        store=store,
        collector=collector,
        remediation=remediation,
        supervisor=Supervisor(reasoning),
        researcher=Researcher(search, reasoning=reasoning),
        coder=Coder(sandbox, reasoning=reasoning),
        help_seeker=HelpSeeker(store, outbox, remediation.policy.mode, commands, reasoning=reasoning),
        thinking=Thinking(reasoning, reader, sandbox),
        now=clock.now,
        patience=patience,
        readings=readings,
    )
