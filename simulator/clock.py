"""The simulator's time: real timestamps, divided waits.

Every wait of the embedded cluster (back-offs, probe periods, start-up times, deadlines) goes through one
``SimClock``. Timestamps stay real because clients compare them with their own clock; only the lengths
shrink. Durations are therefore always spoken of in *simulated* seconds, and converted here and nowhere else.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta


class SimClock:
    """A clock whose second lasts ``1 / speed`` real seconds.

    Raises ``ValueError`` when ``speed`` is not a positive number.
    """

    def __init__(self, speed: float = 1.0) -> None:
        if not speed > 0:
            raise ValueError(f"speed must be a positive number, not {speed!r}; 1 is real time")
        self.speed = float(speed)

    def now(self) -> datetime:
        """The real time, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Simulated seconds since an arbitrary point; only differences mean something."""
        return time.monotonic() * self.speed

    def real_seconds(self, simulated_seconds: float) -> float:
        """How long ``simulated_seconds`` last on the wall."""
        return simulated_seconds / self.speed

    def simulated_seconds(self, elapsed: timedelta) -> float:
        """How much simulated time passed between two real timestamps."""
        return elapsed.total_seconds() * self.speed

    async def sleep(self, seconds: float) -> None:
        """Wait ``seconds`` simulated seconds; zero or less only yields to the loop."""
        await asyncio.sleep(max(0.0, self.real_seconds(seconds)))

    def timestamp(self) -> str:
        """Now as metav1.Time serialises it: RFC 3339, whole seconds, ``Z``."""
        return format_time(self.now())

    def micro_timestamp(self) -> str:
        """Now as metav1.MicroTime serialises it (Leases)."""
        return self.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def format_time(moment: datetime) -> str:
    """RFC 3339 in whole seconds, as metav1.Time."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def parse_time(text: str) -> datetime:
    """The moment in an RFC 3339 timestamp, fraction or not; raises ``ValueError`` on anything else."""
    return datetime.fromisoformat(text)
