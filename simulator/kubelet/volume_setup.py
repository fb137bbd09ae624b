"""Setting a pod's volumes up before its containers start: again and again until all of them work.

Retries, timeouts and words after pkg/kubelet/volumemanager and pkg/volume/util/operationexecutor in Kubernetes v1.36.
"""

import logging

from simulator.api_client import ApiError
from simulator.kubelet.pod_run import PodRun
from simulator.kubelet.references import ClaimError, MountError, volumes_of
from simulator.storage.attachments import is_there

log = logging.getLogger(__name__)

_FIRST_RETRY_SECONDS = 0.5
_LONGEST_RETRY_SECONDS = 122.0
_TIMEOUT_SECONDS = 123.0
_CLAIM_RETRY_SECONDS = 2.0


class VolumeSetup:
    """``run`` is True once every volume is there, False when the pod ends first."""

    def __init__(self, run: PodRun) -> None:
        self._run = run
        self._unprocessed: dict[str, str] = {}
        self._unattached: set[str] = set()

    async def run(self) -> bool:
        """Try until it works; say so every two minutes if it does not."""
        clock = self._run.node.clock
        pause, began, failed_before = _FIRST_RETRY_SECONDS, clock.monotonic(), False
        while True:
            failed = await self._try_once()
            if not failed:
                return True
            now = clock.monotonic()
            if self._unprocessed and not failed_before:
                self._tell_timeout(failed)
            failed_before = True
            if now - began > _TIMEOUT_SECONDS:
                self._tell_timeout(failed)
                began = now
            if await self._run.pause(_CLAIM_RETRY_SECONDS if self._unprocessed else pause):
                return False
            pause = min(pause * 2, _LONGEST_RETRY_SECONDS)

    def _tell_timeout(self, failed: list[str]) -> None:
        unknown = sorted(self._unprocessed)
        why = ", ".join(self._unprocessed[name] for name in unknown) or "context deadline exceeded"
        self._run.warn(
            "FailedMount",
            f"Unable to attach or mount volumes: unmounted volumes=[{' '.join(sorted(failed))}], unattached "
            f"volumes=[{' '.join(sorted(self._unattached))}], failed to process volumes=[{' '.join(unknown)}]: {why}",
        )

    async def _try_once(self) -> list[str]:
        """The names of the volumes that could not be set up."""
        references, node = self._run.references, self._run.node
        references.look_again()
        volumes: dict[str, set[str]] = {}
        failed: list[str] = []
        self._unprocessed = {}
        self._unattached = set()
        for volume in volumes_of(self._run.pod):
            name = volume["name"]
            try:
                volumes[name] = await references.files(volume)
                if name in references.bound and not await is_there(node.client, references.bound[name], node.name):
                    self._unattached.add(name)  # the controller that attaches it says why, if it cannot
                    failed.append(name)
            except ClaimError as error:
                failed.append(name)
                self._unprocessed[name] = str(error)
            except MountError as error:
                failed.append(name)
                self._run.warn("FailedMount", f'MountVolume.SetUp failed for volume "{name}" : {error}')
            except ApiError as error:
                failed.append(name)
                log.debug("volume %s of %s: %s", name, self._run.display_name, error)
        self._run.volumes = volumes
        return failed
