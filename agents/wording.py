"""A model's words about a case, let through only as far as every fact in them is ours.

A person at night believes what the message says. So a sentence of a model is dropped whole if it names an object, a
number or a command that does not stand in the facts. The check errs on the side of dropping: a sentence lost costs
nothing, since the facts are all there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from evidence.redaction import mask_text
from incidents.signals import clean

LONGEST = 300  # characters of one sentence
_TOKEN = re.compile(r"[^\s,;!?()\[\]{}\"'`<>“”‘’]+")
_PIECES = re.compile(r"[/:=@]")
_NAMING = re.compile(r"[0-9_/:=@$\\|&*#%~+.-]|(?<=.)[A-Z]")


def _set(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


_COMMANDS = _set(
    "kubectl helm docker podman crictl rm curl wget bash sudo ssh delete drain cordon exec apply patch edit sh"
)
_NUMBERS = _set("two three four five six seven eight nine ten eleven twelve dozen hundred thousand million half twice")
_KINDS = _set(
    "deployment statefulset daemonset cronjob job pod service secret configmap namespace node container image volume",
    "claim cluster registry repository tag account webhook quota",
)
_COMMON = _set(
    "is are was were has have had in of on at to for from with without and or but that which who it its cannot can",
    "could does do did not no keeps keep needs need fails failed failing crashes crashed crashing starts started",
    "starting runs ran running restarts restarted restarting because since after before while when until as by the a",
    "an this so never exists exist pull pulled pulls limit memory name reference will would should may must be been",
    "being template spec ready unready there",
)


def only_known(sentences: Iterable[str], facts: Iterable[str]) -> list[str]:
    """Those sentences that name nothing which the facts do not."""
    known = _words(" ".join(facts))
    told = (" ".join(mask_text(clean(sentence, LONGEST)).split()) for sentence in sentences)
    return [sentence for sentence in told if sentence and not unknown(sentence, known)]


def unknown(sentence: str, known: frozenset[str]) -> str:
    """The first thing that a sentence names and that is not known; empty if there is none."""
    tokens: list[str] = [token.strip(".:-") for token in _TOKEN.findall(sentence)]
    for number, token in enumerate(tokens):
        word = token.casefold()
        if not word or word in known:
            continue
        after_kind = number > 0 and tokens[number - 1].casefold() in _KINDS
        before_kind = number + 1 < len(tokens) and tokens[number + 1].casefold() in _KINDS
        if _NAMING.search(token) or word in _COMMANDS or word in _NUMBERS:
            return token
        if (after_kind or before_kind) and word not in _COMMON and word not in _KINDS:
            return token
    return ""


def _words(text: str) -> frozenset[str]:
    """Every word of the facts, whole and in the parts of a reference."""
    found: set[str] = set()
    for token in _TOKEN.findall(text):
        whole = token.strip(".:-").casefold()
        found.add(whole)
        found.update(piece for piece in _PIECES.split(whole) if piece)
    return frozenset(found)
