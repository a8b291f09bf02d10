"""Values: how a source is named, and by what its content is known again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from logkit.sources.span import Tail

Key = tuple[int, int]
"""Source and generation."""


class End(NamedTuple):
    """What is known of the end of a finished range: the bytes before it, and where the last record before it begins."""

    tail: Tail
    last_offset: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A source that a file which has just appeared may be a copy of: its key, and how its content is known again.

    `tail` stands before `known_to`, unless that was set aside; `marks` at some places, ascending, of all that was
    ever read of it, also of a record that is still open. `gone`: only these are left of it. `in_place`: it has the name
    logs are rotated from.
    """

    key: Key
    path: str
    file: tuple[int, int] | None
    compression: str | None
    encoding: str
    head: bytes
    tail: Tail | None
    marks: tuple[Tail, ...] = ()
    known_to: int = 0
    gone: bool = False
    in_place: bool = False

    @property
    def serial(self) -> bool:
        """As of its source."""
        return self.compression is not None or self.encoding.startswith("utf-16")


@dataclass(frozen=True, slots=True)
class Probe:
    """Work for a worker: open a file and say what it is.

    `expect`: it may be another file than was there before: does it still begin and go on as that one did?
    `candidates`: sources it may be a copy of (rotated by copying or compressing); `was_copy`: of which it was one, and
    the content by which it still is, also where that source is gone. `head_limit`: how much of the head
    its format was chosen by before.
    """

    source: int
    generation: int
    path: str
    file: tuple[int, int] | None = None
    final: bool = True
    expect: Candidate | None = None
    candidates: tuple[Candidate, ...] = ()
    was_copy: Candidate | None = None
    head_limit: int | None = None
    attempt: int = 0
