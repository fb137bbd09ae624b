"""What is counted while the program runs, in Prometheus' terms. One object a process, handed to whoever counts.

Labels are words of ours with few values: never a name from the cluster, which anybody could multiply.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SHORT = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LONG = (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)


class Telemetry:
    """All metrics. Durations in seconds."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.signals = self._counter("signals", "Signals taken in", "source", "symptom")
        self.incidents_opened = self._counter("incidents_opened", "Incidents opened", "symptom")
        self.runs = self._counter("runs", "Runs of the graph, by how the incident stood afterwards", "outcome")
        self.run_seconds = self._histogram("run_seconds", "How long runs of the graph took", _LONG)
        self.reaction_seconds = self._histogram(
            "reaction_seconds", "From an event's arrival to its incident being queued", _SHORT
        )
        self.api_requests = self._counter("api_requests", "Requests to the API server", "method", "code")
        self.watch_restarts = self._counter("watch_restarts", "Watches that had to be taken up again")
        self.sweep_seconds = self._histogram("sweep_seconds", "How long sweeps took", _SHORT + _LONG[2:5])
        self.sweep_objects = self._gauge("sweep_objects", "Objects that the last sweep looked at")
        self.sweep_finished = self._gauge("sweep_finished_timestamp_seconds", "When the last sweep ended")
        self.watching = self._gauge("watching", "1 while events are being watched")
        self.queue = self._gauge("queue_length", "Incidents that wait for a worker")

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"k8s_auto_fixer_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"k8s_auto_fixer_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"k8s_auto_fixer_{name}", text, registry=self.registry, buckets=sorted(set(buckets)))
