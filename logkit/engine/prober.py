"""What a file is, and whose copy: a worker looks into it, and into those it may be a copy of.

Who holds a file open must not wait for another, so the two are never open at once.
"""

from __future__ import annotations

import itertools
import threading

import numpy as np

from logkit.engine.descriptors import Descriptors
from logkit.engine.known import Candidate, Probe
from logkit.engine.outcome import Outcome
from logkit.sources import Identity, handles, identify
from logkit.sources.ending import end_of
from logkit.sources.handles import Handle
from logkit.sources.identity import HEAD_KEPT_BYTES, same_content
from logkit.sources.span import Tail

_COMPARED_BYTES = 1 << 20


class Prober:
    """Answers probes; any worker may call it at any time. `finite`: nothing changes while it looks."""

    def __init__(self, files: Descriptors, reads: threading.Semaphore, *, finite: bool) -> None:
        self._files = files
        self._reads = reads
        self._finite = finite

    def probe(self, probe: Probe) -> Outcome:
        files, reads = self._files, self._reads
        with files.borrow(probe.path, probe.file) as descriptor, reads:
            identity = identify(descriptor, probe.path, final=probe.final, head_limit=probe.head_limit)
            if probe.expect is not None and not _is(descriptor, identity, probe.expect):
                return Outcome(probe, identity=identify(descriptor, probe.path, final=probe.final), same=False)
            alike = [one for one in probe.candidates if _may_become(identity, one)]
            originals = (one for one in alike if _has_all(descriptor, identity, one))
            whole = list(itertools.islice(originals, 1 if identity.serial else None))  # no more is told from such a one
            was = probe.was_copy if probe.was_copy and _is(descriptor, identity, probe.was_copy) else None
            end = None
            if (alike or was) and not (whole and identity.compression):
                end = end_of(descriptor, identity.compression, identity.encoding)
            shared_before = 0
            if was is not None and was.tail is not None and not identity.serial:
                shared_before = _line_before(descriptor, was.tail[0], identity.line_end)
            early = [one for one in alike if end is not None and _was_once(descriptor, identity, one, end)]
        shared_most = 0
        for one in whole:
            shared = None if end is None or one.gone else self._shared_bytes(probe, identity, one, end)
            if shared is None:
                copied = end or _newest(one)
                return Outcome(probe, identity=identity, copy_of=one.key, copy_to=one.known_to, copied=copied)
            shared_most = max(shared_most, shared)
        if shared_most:
            return Outcome(probe, identity=identity, shared_bytes=shared_most)
        parts = {one.key: self._is_part_of(one, identity, end) for one in alike if end and not one.gone}
        part_of = next((key for key, part in parts.items() if part), None)
        if part_of is not None:
            return Outcome(probe, identity=identity, copy_of=part_of, copied=end)
        for one in probe.candidates:
            if (one.in_place or one in alike) and self._is_other(one):
                return Outcome(probe, identity=identity, other=one.key)
        if was is not None and was.tail is not None and end is not None and parts.get(was.key) is not False:
            if identity.serial or end[0] == was.tail[0]:
                return Outcome(probe, identity=identity, copy_of=was.key, copied=was.tail)
            return Outcome(probe, identity=identity, shared_bytes=shared_before)
        if early:
            return Outcome(probe, identity=identity, copy_of=early[0].key, copied=end)
        return Outcome(probe, identity=identity, maybe_of=next((key for key in parts if parts[key] is None), None))

    def _shared_bytes(self, probe: Probe, identity: Identity, one: Candidate, end: Tail) -> int | None:
        """How many whole lines' bytes a copy shares with its original, where it has others behind them; else None.

        None also where the original can no longer be compared with it: then the copy is all there is.
        """
        if identity.serial or one.compression is not None or self._is_part_of(one, identity, end) is not False:
            return None
        files, at, lines, alike = self._files, 0, 0, _COMPARED_BYTES
        while alike == _COMPARED_BYTES:  # one after the other: who holds a file open must not wait for another
            with files.borrow(probe.path, probe.file) as descriptor:
                copy = handles.pread(descriptor, _COMPARED_BYTES, at)
            try:
                with files.borrow(one.path, one.file) as descriptor:
                    alike = _alike(copy, handles.pread(descriptor, _COMPARED_BYTES, at))
                    intact = same_content(descriptor, one.compression, one.encoding, one.head, one.tail)
            except OSError:
                return None
            if not intact:
                return None
            if end_of_line := copy.rfind(identity.line_end, 0, alike) + 1:
                lines = at + end_of_line
            at += alike
        return lines if alike < len(copy) else None

    def _is_part_of(self, one: Candidate, identity: Identity, end: Tail) -> bool | None:
        """Whether all there is of a file stands in the source it may be a copy of; None where it cannot be told."""
        try:
            with self._files.borrow(one.path, one.file) as descriptor:
                return same_content(descriptor, one.compression, one.encoding, identity.head, end)
        except OSError:
            return None

    def _is_other(self, one: Candidate) -> bool:
        """Whether a source has other content by now than it was known by, which nobody has found out yet."""
        if one.gone or one.serial or self._finite:
            return False
        try:
            with self._files.borrow(one.path, one.file) as descriptor:
                return not same_content(descriptor, None, one.encoding, one.head, one.tail)
        except OSError:
            return False  # the next scan finds out where it went


def _is(descriptor: Handle, identity: Identity, one: Candidate) -> bool:
    """Whether a file has the content of a source, as far as that was read."""
    return same_content(descriptor, identity.compression, identity.encoding, one.head, one.tail)


def _has_all(descriptor: Handle, identity: Identity, one: Candidate) -> bool:
    """Whether a file has all that is finished of a source; of one of which nothing is, all that was seen."""
    if one.tail is not None:
        return _is(descriptor, identity, one)
    if not identity.head.startswith(one.head):
        return False
    # Where the two cannot be compared byte by byte, a few bytes alike prove nothing.
    return not (one.serial or identity.serial) or bool(one.marks and _has(descriptor, identity, one, one.marks[-1]))


def _was_once(descriptor: Handle, identity: Identity, one: Candidate, end: Tail) -> bool:
    """Whether a file has what a source that is gone had once, before more of it was read."""
    if not one.gone or not one.marks or end[0] > one.marks[-1][0]:
        return False
    if len(identity.head) < HEAD_KEPT_BYTES:
        return one.head.startswith(identity.head)  # that is all of it
    mark = next((mark for mark in reversed(one.marks) if mark[0] <= end[0]), None)
    return mark is not None and _has(descriptor, identity, one, mark)


def _has(descriptor: Handle, identity: Identity, one: Candidate, mark: Tail) -> bool:
    # Offsets in UTF-16 count otherwise than the bytes of the head.
    head = one.head if one.encoding.startswith("utf-16") else one.head[: mark[0]]
    return same_content(descriptor, identity.compression, identity.encoding, head, mark)


def _line_before(descriptor: Handle, stop: int, line_end: bytes) -> int:
    """Where the last line ends that is whole before an offset; 0 where it is too long."""
    low = max(0, stop - _COMPARED_BYTES)
    found = handles.pread(descriptor, stop - low, low).rfind(line_end)
    return 0 if found < 0 else low + found + len(line_end)


def _newest(one: Candidate) -> Tail | None:
    return one.marks[-1] if one.marks else one.tail


def _alike(one: bytes, other: bytes) -> int:
    """How many bytes they have in common at the beginning."""
    size = min(len(one), len(other))
    differ = np.flatnonzero(np.frombuffer(one, np.uint8, size) != np.frombuffer(other, np.uint8, size))
    return int(differ[0]) if len(differ) else size


def _may_become(identity: Identity, one: Candidate) -> bool:
    """Whether a file begins like a source: it may be a copy that is still being written."""
    if identity.refused and identity.head:
        return False
    shorter = min(len(identity.head), len(one.head))
    return identity.head[:shorter] == one.head[:shorter]
