"""The words that variants of scenarios are named with: two sets that share nothing, so that one can be held back.

No word here is one that Kubernetes, a registry or an operating system uses in a message.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

SetName = Literal["first", "second"]


@dataclass(frozen=True)
class Dialect:
    """How one set of variants speaks: words, registries, the range of ports, sizes in sixteenths, tags and labels."""

    words: tuple[str, ...]
    hosts: tuple[str, ...]
    ports: tuple[int, int]
    sixteenths: tuple[int, ...]
    tag_prefix: str
    label_key: str


_FIRST = """
    amber anvil atlas badger basil beacon birch bison bramble breeze canyon carbon cedar cinder clover cobalt comet
    copper coral cosmos crater cricket delta dune eagle ember falcon fennel fjord flint forest garnet geyser ginger
    glacier granite grove harbor hazel heron hickory indigo island ivory jasper juniper kestrel lagoon lantern larch
    lemon lilac linden lotus lumen magnet maple marble meadow mercury mesa mirage
"""
_SECOND = """
    abacus acorn agate alder almond anchor apricot arbor argon aspen aurora bamboo banjo barley basalt bobcat bonsai
    borax brook burrow cactus camel canoe caper cello cherry chestnut citrus cobra condor cougar crane cypress daisy
    dolphin domino dragon elder elk emerald fiddle finch fossil foxglove gazelle gecko glider gopher guitar hamlet
    hemlock hornet iguana jackal jaguar jigsaw kayak koala lemur lichen lizard llama locust
"""

DIALECTS: Mapping[SetName, Dialect] = {
    "first": Dialect(
        words=tuple(_FIRST.split()),
        hosts=("registry.{}.example", "images.{}.example", "hub.{}.example"),
        ports=(7000, 9900),
        sixteenths=(12, 14, 18, 20, 24),
        tag_prefix="",
        label_key="app",
    ),
    "second": Dialect(
        words=tuple(_SECOND.split()),
        hosts=("cr.{}.test", "oci.{}.test", "{}.pkg.test"),
        ports=(20100, 31900),
        sixteenths=(13, 15, 17, 19, 22),
        tag_prefix="v",
        label_key="app.kubernetes.io/name",
    ),
}
