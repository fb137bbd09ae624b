"""What a pod's spec refers to: ConfigMaps and Secrets behind variables and volumes, read live.

The answers are the names of variables and of files, never values: a program in the catalogue only asks
whether something is there. The one value that is read is that of pull secrets. Messages after
pkg/kubelet/kubelet_pods.go and pkg/volume in Kubernetes v1.36.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from simulator.api_client import ApiClient, ApiError, Resource
from simulator.informer import Object
from simulator.resources import CONFIG_MAPS, SECRETS

CLAIMS = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
_KEY_WORDS = {
    "configmap": "configmap references non-existent config",
    "secret": "references non-existent secret",
}
_NEVER_WRITABLE = {"configMap", "secret", "downwardAPI", "projected"}
_NODE_FOLDERS = frozenset({"/", "/dev", "/etc", "/opt", "/proc", "/run", "/sys", "/var", "/var/lib", "/var/log"})


class ConfigError(Exception):
    """A container cannot be created; the text is the kubelet's, ``reason`` that of the waiting state."""

    def __init__(self, message: str, *, reason: str = "CreateContainerConfigError") -> None:
        super().__init__(message)
        self.reason = reason


class MountError(Exception):
    """A volume cannot be set up; the text is the kubelet's, without the volume's name."""


class ClaimError(MountError):
    """A volume is not even known yet: its claim is missing or not bound."""


@dataclass
class References:
    """The objects one pod refers to, each read at most once per look."""

    client: ApiClient
    namespace: str
    pod_name: str = ""
    bound: dict[str, str] = field(default_factory=dict)
    """By volume, the name of the PersistentVolume behind its claim, as it was last seen."""
    _read: dict[tuple[str, str], set[str] | None] = field(default_factory=dict)

    def look_again(self) -> None:
        """Forget what was read: the next question asks the server."""
        self._read.clear()

    async def variables(self, container: dict[str, Any]) -> set[str]:
        """The names of the container's environment variables; raises ``ConfigError``."""
        names: set[str] = set()
        for source in container.get("envFrom") or ():
            names |= await self._all_keys(source)
        for variable in container.get("env") or ():
            if await self._resolves(variable.get("valueFrom") or {}):
                names.add(variable["name"])
        return names

    async def files(self, volume: dict[str, Any]) -> set[str]:
        """The paths of a volume's files, relative to it; raises ``MountError``."""
        if "configMap" in volume:
            return await self._projected(CONFIG_MAPS, volume["configMap"], volume["configMap"].get("name", ""))
        if "secret" in volume:
            return await self._projected(SECRETS, volume["secret"], volume["secret"].get("secretName", ""))
        if "projected" in volume:
            found: set[str] = set()
            for source in volume["projected"].get("sources") or ():
                found |= await self._source(source)
            return found
        if "hostPath" in volume:
            _check_host_path(volume["hostPath"])
        if "persistentVolumeClaim" in volume:
            claim = volume["persistentVolumeClaim"].get("claimName", "")
            self.bound[volume["name"]] = await self._check_claim(claim)
        if "ephemeral" in volume:
            self.bound[volume["name"]] = await self._check_claim(f"{self.pod_name}-{volume['name']}")
        if "downwardAPI" in volume:
            return {item["path"] for item in volume["downwardAPI"].get("items") or ()}
        return set()

    async def secret(self, name: str) -> dict[str, Any] | None:
        """A whole Secret, for pulling images; None when it does not exist. Raises ``ApiError``."""
        try:
            return await self.client.get(SECRETS, name, self.namespace)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    async def _check_claim(self, name: str) -> str:
        """The volume that the claim is bound to; raises ``ClaimError`` if there is none."""
        where = f"error processing PVC {self.namespace}/{name}: "
        try:
            claim = await self.client.get(CLAIMS, name, self.namespace)
        except ApiError as error:
            if error.code == 404:
                raise ClaimError(f"{where}failed to fetch PVC from API server: {error.message}") from error
            raise
        if (claim.get("status") or {}).get("phase") != "Bound" or not claim["spec"].get("volumeName"):
            raise ClaimError(f"{where}PVC is not bound")
        return str(claim["spec"]["volumeName"])

    async def _source(self, source: dict[str, Any]) -> set[str]:
        if "configMap" in source:
            return await self._projected(CONFIG_MAPS, source["configMap"], source["configMap"].get("name", ""))
        if "secret" in source:
            return await self._projected(SECRETS, source["secret"], source["secret"].get("name", ""))
        if "serviceAccountToken" in source:
            return {source["serviceAccountToken"].get("path", "token")}
        items = (source.get("downwardAPI") or {}).get("items") or ()
        return {item["path"] for item in items}

    async def _all_keys(self, source: dict[str, Any]) -> set[str]:
        for field_name, resource in (("configMapRef", CONFIG_MAPS), ("secretRef", SECRETS)):
            reference = source.get(field_name)
            if reference:
                keys = await self._keys(resource, reference["name"])
                if keys is None and not reference.get("optional"):
                    raise ConfigError(f'{resource.kind.lower()} "{reference["name"]}" not found')
                return {source.get("prefix", "") + key for key in keys or ()}
        return set()

    async def _resolves(self, source: dict[str, Any]) -> bool:
        for field_name, resource in (("configMapKeyRef", CONFIG_MAPS), ("secretKeyRef", SECRETS)):
            reference = source.get(field_name)
            if not reference:
                continue
            keys = await self._keys(resource, reference["name"])
            if keys is not None and reference["key"] in keys:
                return True
            if reference.get("optional"):
                return False
            if keys is None:
                raise ConfigError(f'{resource.kind.lower()} "{reference["name"]}" not found')
            where = f"{resource.kind} {self.namespace}/{reference['name']}"
            raise ConfigError(f"couldn't find key {reference['key']} in {where}")
        return True

    async def _projected(self, resource: Resource, source: dict[str, Any], name: str) -> set[str]:
        kind = resource.kind.lower()
        keys = await self._keys(resource, name)
        optional = bool(source.get("optional"))
        if keys is None:
            if optional:
                return set()
            raise MountError(f'{kind} "{name}" not found')
        items = source.get("items")
        if not items:
            return keys
        missing = [item["key"] for item in items if item["key"] not in keys]
        if missing and not optional:
            raise MountError(f"{_KEY_WORDS[kind]} key: {missing[0]}")
        return {item["path"] for item in items if item["key"] in keys}

    async def _keys(self, resource: Resource, name: str) -> set[str] | None:
        """The keys of one object; None when it does not exist."""
        if (resource.kind, name) not in self._read:
            self._read[resource.kind, name] = await self._fetch_keys(resource, name)
        return self._read[resource.kind, name]

    async def _fetch_keys(self, resource: Resource, name: str) -> set[str] | None:
        try:
            found = await self.client.get(resource, name, self.namespace)
        except ApiError as error:
            if error.code == 404:
                return None
            raise
        parts = [found.get(part) or {} for part in ("data", "binaryData", "stringData")]
        return {key for part in parts for key in part}


def mounted_files(container: dict[str, Any], volumes: dict[str, set[str]]) -> set[str]:
    """The absolute paths of the files that the container's mounts give it."""
    found: set[str] = set()
    for mount in container.get("volumeMounts") or ():
        names: Iterable[str] = volumes.get(mount["name"], set())
        base = mount["mountPath"].rstrip("/")
        if mount.get("subPath"):
            found |= {base} & {base if mount["subPath"] in names else ""}
        else:
            found |= {f"{base}/{name}" for name in names}
    return found


def volumes_of(pod: Object) -> list[dict[str, Any]]:
    """The pod's volumes that some container mounts."""
    containers = pod["spec"]["containers"] + list(pod["spec"].get("initContainers") or ())
    used = {mount["name"] for item in containers for mount in item.get("volumeMounts") or ()}
    return [volume for volume in pod["spec"].get("volumes") or () if volume["name"] in used]


def read_only_paths(pod: Object, container: dict[str, Any], paths: Iterable[str]) -> set[str]:
    """Those of the paths that the container cannot write to: read-only mounts, or a read-only root file system."""
    sealed = bool((container.get("securityContext") or {}).get("readOnlyRootFilesystem"))
    fixed = {item["name"] for item in pod["spec"].get("volumes") or () if _NEVER_WRITABLE & item.keys()}
    found = set()
    for path in paths:
        mounts = [item for item in container.get("volumeMounts") or () if _is_below(path, item["mountPath"])]
        nearest = max(mounts, key=lambda item: len(item["mountPath"]), default=None)
        if sealed if nearest is None else nearest.get("readOnly") or nearest["name"] in fixed:
            found.add(path)
    return found


def _is_below(path: str, folder: str) -> bool:
    return f"{path}/".startswith(f"{folder.rstrip('/')}/")


def _check_host_path(source: dict[str, Any]) -> None:
    """The nodes have the usual folders and nothing else; what is to be created is."""
    kind, path = source.get("type") or "", source["path"].rstrip("/") or "/"
    if kind == "Directory" and path not in _NODE_FOLDERS:
        raise MountError(f"hostPath type check failed: {source['path']} is not a directory")
    if kind in ("File", "Socket", "CharDevice", "BlockDevice"):
        words = {"File": "a file", "Socket": "a socket file", "CharDevice": "a character device"}
        raise MountError(f"hostPath type check failed: {source['path']} is not {words.get(kind, 'a block device')}")
