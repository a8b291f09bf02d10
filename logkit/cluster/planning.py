"""Pure: what each task of a cluster reads, from the sizes of files alone. Nothing is opened, and nothing kept.

A file is cut into pieces, large enough that there are never many more than `MOST_SPANS` of them; files that are smaller
share a task, as far as their names leave its message small. What a piece's bytes are, a worker finds out: whether the
file can be cut at all, only its content tells.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from logkit.sources import Found
from logkit.sources.remote import is_remote

LEAST_SPAN_BYTES: Final = 256 << 20
MOST_SPANS: Final = 50_000
_MESSAGE_BYTES: Final = 4_000  # of names and numbers in one task: the scheduler has all tasks in memory
_PIECE_BYTES: Final = 60


class Piece(NamedTuple):
    """The `nth` (from 0) of `of` spans of one generation of a source, which was `size` bytes large when it was found.

    `file` is the device and inode of an object on another machine. Those of a path differ from worker to worker.
    """

    source: int
    generation: int
    path: str
    size: int
    modified: float
    nth: int = 0
    of: int = 1
    file: tuple[int, int] | None = None

    @property
    def key(self) -> tuple[int, int]:
        """Source and generation."""
        return self.source, self.generation

    @property
    def length(self) -> int:
        """About how many bytes of the file it is."""
        return self.size // self.of


Bundle = tuple[Piece, ...]
"""What one task reads: a piece of a large file, or several small files."""


def packed(bundle: Bundle) -> bytes:
    """A bundle as a task takes it: what is no bytes would be taken apart, value by value, on its way."""
    return pickle.dumps([tuple(piece) for piece in bundle])


def unpacked(data: bytes) -> Bundle:
    """The bundle that `packed` made these bytes of."""
    return tuple(Piece(*one) for one in pickle.loads(data))


def span_bytes(total_bytes: int) -> int:
    """How large the spans of a cluster are: at least 256 MiB, and never more than some 50,000 of them."""
    return max(LEAST_SPAN_BYTES, -(-total_bytes // MOST_SPANS))


def whole(source: int, generation: int, found: Found) -> Piece:
    """A file in one piece."""
    file = (found.device, found.inode) if is_remote(found.path) else None
    return Piece(source, generation, found.path, found.size, found.modified, file=file)


def bundles(files: Iterable[Piece], span_bytes: int) -> Iterator[Bundle]:
    """The tasks, one by one in the order of the files."""
    together: list[Piece] = []
    size = message = 0
    for file in files:
        of = max(1, -(-file.size // span_bytes))
        if of > 1:
            yield from ((file._replace(nth=nth, of=of),) for nth in range(of))
            continue
        cost = _PIECE_BYTES + len(file.path.encode("utf-8", "surrogateescape"))
        if together and (size + file.size > span_bytes or message + cost > _MESSAGE_BYTES):
            yield tuple(together)
            together, size, message = [], 0, 0
        together.append(file)
        size, message = size + file.size, message + cost
    if together:
        yield tuple(together)
