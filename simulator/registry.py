"""The catalogue's images as an OCI registry (distribution spec v1.1, pull side), for whoever looks for tags.

Images of a registry host are served under their path, those of Docker Hub also without ``library/``: the one
registry stands in for all hosts of the simulated world. What only some may pull wants their name and password (Basic).
Layers are described and not served.
"""

import base64
import binascii
import re
from typing import Any

import orjson
from aiohttp import web

from simulator.kubelet.catalogue import Catalogue
from simulator.kubelet.image_access import Credentials, may_pull
from simulator.kubelet.oci_image import CONFIG_TYPE, MANIFEST_TYPE, ImageDigests, image_digests

_PAGE = 100
_TAGS = re.compile(r"/v2/(?P<name>[a-z0-9._/-]+)/tags/list")
_MANIFEST = re.compile(r"/v2/(?P<name>[a-z0-9._/-]+)/manifests/(?P<reference>[^/]+)")
_BLOB = re.compile(r"/v2/(?P<name>[a-z0-9._/-]+)/blobs/(?P<digest>sha256:[0-9a-f]{64})")
_NAME = re.compile(r"/v2/(?P<name>[a-z0-9._/-]+)/(?:tags|manifests|blobs)/")
_VERSION = {"Docker-Distribution-Api-Version": "registry/2.0"}


def registry_app(catalogue: Catalogue) -> web.Application:
    """An application that answers GET and HEAD under ``/v2/``."""
    images = _Images(catalogue)

    async def handle(request: web.Request) -> web.Response:
        path = request.path
        if path in ("/v2", "/v2/"):
            return _json({})
        if (named := _NAME.match(path)) and not images.admits(named["name"], request.headers.get("Authorization", "")):
            return _unauthorized()
        if found := _TAGS.fullmatch(path):
            return images.tags(found["name"], request)
        if found := _MANIFEST.fullmatch(path):
            return images.manifest(found["name"], found["reference"])
        if found := _BLOB.fullmatch(path):
            return images.blob(found["name"], found["digest"])
        return _error(404, "NOT_FOUND", "page not found")

    app = web.Application()
    app.router.add_get("/{path:.*}", handle)  # HEAD comes with GET
    return app


class _Images:
    """The lookup behind the routes."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._names: dict[str, str] = {}
        for repository in catalogue.repositories:
            path = repository.partition("/")[2]
            self._names[path] = repository
            if repository.startswith("docker.io/library/"):
                self._names.setdefault(path.removeprefix("library/"), repository)

    def admits(self, name: str, authorization: str) -> bool:
        """Whether a request with that header may see the repository; unknown ones are for everybody not to find."""
        repository = self._names.get(name)
        if repository is None:
            return True
        return may_pull(self._catalogue.registry(repository.partition("/")[0]), _basic(authorization))

    def tags(self, name: str, request: web.Request) -> web.Response:
        """One page of tags in lexical order, with a Link to the next."""
        if name not in self._names:
            return _name_unknown(name)
        asked = request.query.get("n", str(_PAGE))
        if not asked.isdecimal():
            return _error(400, "PAGINATION_NUMBER_INVALID", "n must be a whole number")
        size = min(int(asked), _PAGE)
        left = [tag for tag in self._catalogue.tags(self._names[name]) if tag > request.query.get("last", "")]
        response = _json({"name": name, "tags": left[:size]})
        if size and len(left) > size:
            link = f"/v2/{name}/tags/list?last={left[size - 1]}&n={size}"
            response.headers["Link"] = f'<{link}>; rel="next"'
        return response

    def manifest(self, name: str, reference: str) -> web.Response:
        """By tag or by digest."""
        if name not in self._names:
            return _name_unknown(name)
        for tag, image in self._all(name):
            if reference in (tag, image.manifest):
                return _document(image.manifest_bytes, image.manifest, MANIFEST_TYPE)
        return _error(404, "MANIFEST_UNKNOWN", "manifest unknown", {"Tag": reference})

    def blob(self, name: str, digest: str) -> web.Response:
        """The config of an image."""
        if name not in self._names:
            return _name_unknown(name)
        for _, image in self._all(name):
            if digest == image.config:
                return _document(image.config_bytes, digest, CONFIG_TYPE)
        return _error(404, "BLOB_UNKNOWN", "blob unknown to registry", {"digest": digest})

    def _all(self, name: str) -> list[tuple[str, ImageDigests]]:
        repository = self._names[name]
        programs = [(tag, self._catalogue.program(repository, tag)) for tag in self._catalogue.tags(repository)]
        return [(tag, image_digests(repository, tag, program)) for tag, program in programs if program]


def _document(body: bytes, digest: str, content_type: str) -> web.Response:
    headers = {"Docker-Content-Digest": digest, "ETag": f'"{digest}"', **_VERSION}
    return web.Response(body=body, content_type=content_type, headers=headers)


def _json(body: Any, *, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json", headers=_VERSION)


def _basic(authorization: str) -> Credentials:
    kind, _, encoded = authorization.partition(" ")
    if kind.lower() != "basic":
        return frozenset()
    try:
        user, _, password = base64.b64decode(encoded).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return frozenset()
    return frozenset({(user, password)})


def _unauthorized() -> web.Response:
    response = _error(401, "UNAUTHORIZED", "authentication required")
    response.headers["WWW-Authenticate"] = 'Basic realm="simulated registry"'
    return response


def _name_unknown(name: str) -> web.Response:
    return _error(404, "NAME_UNKNOWN", "repository name not known to registry", {"name": name})


def _error(status: int, code: str, message: str, detail: Any = None) -> web.Response:
    return _json({"errors": [{"code": code, "message": message, "detail": detail}]}, status=status)
