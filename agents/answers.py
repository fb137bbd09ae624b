"""The forms in which models answer. Whatever does not fit one is nothing; what fits is still only words.

Every text has a length and every list an end, so that an answer of 200 kB is no answer. None of these reaches a
workload: ``agents.proposing`` makes proposals of the words, and the road disposes of them.
"""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, Field, field_validator

LARGEST_INTEGER = 2**63 - 1  # of the Kubernetes API


class Route(BaseModel):
    """Who works next."""

    next: Literal["Researcher", "Coder", "AutoFixer", "HelpSeeker"]
    reason: str = Field(max_length=400)


class Edit(BaseModel):
    """One field that is to have another value, or none."""

    path: str = Field(max_length=300)
    expected: str | int | float | bool | None = None
    value: str | int | float | bool | None = None

    @field_validator("expected", "value")
    @classmethod
    def _is_json(cls, value: object) -> object:
        """NaN and the infinities are null where they are written as JSON, which would be a removal."""
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError("not a number that JSON has")
        if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
            raise ValueError("longer than 64 bits")
        return value


class ProposedChange(BaseModel):
    """One change as a model puts it: ``edits`` for set and remove, ``revision`` for roll-back."""

    action: Literal["set", "remove", "roll-back"]
    edits: list[Edit] = Field(default_factory=list, max_length=4)
    revision: int | None = None
    ends: str = Field(max_length=40)
    reason: str = Field(max_length=300)
    confidence: float = Field(ge=0, le=1)


class Fix(BaseModel):
    """A diagnosis, and what to change about it; no proposals and a reason is an answer too."""

    family: str = Field(max_length=40)
    cause: str = Field(max_length=400)
    rests_on: list[str] = Field(max_length=6)
    confidence: float = Field(ge=0, le=1)
    proposals: list[ProposedChange] = Field(max_length=3)
    declined: str = Field(default="", max_length=600)


class SecondLook(BaseModel):
    """What a reviewer says of one proposal."""

    veto: bool
    confidence: float = Field(ge=0, le=1)
    reason: str = Field(max_length=400)


class Claim(BaseModel):
    """One sentence that a finding makes, and which finding."""

    text: str = Field(max_length=400)
    source: str = Field(max_length=600)


class Claims(BaseModel):
    """What of the findings helps here."""

    claims: list[Claim] = Field(max_length=5)


class Program(BaseModel):
    """A program that digests evidence."""

    purpose: str = Field(max_length=200)
    python: str = Field(max_length=4000)


class Summary(BaseModel):
    """A case in few words."""

    sentences: list[str] = Field(max_length=3)
