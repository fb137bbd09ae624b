"""The chain of the audit: whatever is done to a record shows, and where."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.builders import NOW
from tools.store.audit import GENESIS, broken_links, cut_off, hash_of, linked
from tools.store.records import AuditHead, AuditRecord

Tampering = Callable[[list[AuditRecord]], list[AuditRecord]]


def chain(length: int = 5) -> list[AuditRecord]:
    """Records as a store writes them."""
    records: list[AuditRecord] = []
    for number in range(1, length + 1):
        previous = records[-1].hash if records else GENESIS
        records.append(linked(number, NOW, "command", {"number": number, "who": "jo"}, previous=previous))
    return records


def changed(record: AuditRecord, *, rehash: bool = False, **fields: Any) -> AuditRecord:
    """A record with other content, with the hash that fits it or the one it had."""
    forged = msgspec.structs.replace(record, **fields)
    return msgspec.structs.replace(forged, hash=hash_of(forged)) if rehash else forged


class TestTheChain:
    """Each record holds on to the one before."""

    @pytest.mark.parametrize("length", [0, 1, 5])
    def test_a_chain_that_nobody_touched_is_whole(self, length: int) -> None:
        assert list(broken_links(chain(length))) == []

    def test_a_piece_of_it_is_whole_behind_the_record_before(self) -> None:
        records = chain()
        assert list(broken_links(records[3:], after=records[2])) == []

    @pytest.mark.parametrize(
        ("tamper", "where"),
        [
            (lambda all_: [*all_[:2], changed(all_[2], detail={"number": 3, "who": "al"}), *all_[3:]], [3]),
            (lambda all_: [*all_[:2], changed(all_[2], detail={"who": "al"}, rehash=True), *all_[3:]], [4]),
            (lambda all_: [*all_[:2], changed(all_[2], step="other"), *all_[3:]], [3]),
            (lambda all_: [*all_[:2], *all_[3:]], [4]),
            (lambda all_: all_[1:], [2]),
            (lambda all_: [all_[1], all_[0], *all_[2:]], [2, 1, 3]),
            (lambda all_: [*all_[:3], all_[2], *all_[3:]], [3]),
            (lambda all_: [changed(all_[0], previous="1" * 64, rehash=True), *all_[1:]], [1, 2]),
        ],
        ids=["rewritten", "rewritten-with-its-hash", "another-step", "taken-out", "cut", "swapped", "twice", "forged"],
    )
    def test_whatever_was_done_to_it_shows_where_it_was_done(self, tamper: Tampering, where: list[int]) -> None:
        broken = list(broken_links(tamper(chain())))
        assert [link.sequence for link in broken] == where
        assert all(link.reason for link in broken)

    def test_the_hash_covers_every_field(self) -> None:
        record = chain(1)[0]
        others: list[dict[str, Any]] = [
            {"sequence": 2},
            {"step": "x"},
            {"detail": {}},
            {"previous": "x"},
            {"at": NOW.replace(year=2027)},
        ]
        assert len({hash_of(changed(record, **other)) for other in others} | {hash_of(record)}) == len(others) + 1


class TestTheEnd:
    """What was written last is kept apart from the records."""

    def test_a_trail_that_ends_with_it_is_whole_and_so_is_one_that_was_begun_on_an_older_store(self) -> None:
        last = chain()[-1]
        for head in (None, AuditHead(last.sequence, last.hash), AuditHead(last.sequence)):
            assert cut_off(head, last, last=last.sequence) is None

    def test_a_tail_that_is_gone_shows_before_another_record_is_written(self) -> None:
        for head in (AuditHead(5, "x"), AuditHead(5)):
            missing = cut_off(head, None, last=3)
            assert missing is not None
            assert missing.sequence == 4
            assert "number 5" in missing.reason

    def test_a_last_record_that_was_replaced_shows(self) -> None:
        last = chain()[-1]
        replaced = changed(last, detail={"who": "al"}, rehash=True)
        assert cut_off(AuditHead(last.sequence, last.hash), replaced, last=last.sequence) is not None
