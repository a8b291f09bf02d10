"""How the content of a file ends by now, by which a copy that is still being written is compared with its original."""

from __future__ import annotations

from typing import Final

from logkit.sources import handles
from logkit.sources.archives import TornArchive
from logkit.sources.handles import Handle
from logkit.sources.reader import read_up_to, reader_for
from logkit.sources.span import Tail, digest

_LENGTH: Final = 1024
_STEP_BYTES: Final = 256 << 10


def end_of(descriptor: Handle, compression: str | None, encoding: str) -> Tail:
    """The tail of all there is of an open file. A compressed one is inflated as far as it goes. Raises OSError."""
    if compression is None and not encoding.startswith("utf-16"):
        size = handles.status_of(descriptor).st_size
        last = handles.pread(descriptor, _LENGTH, max(0, size - _LENGTH))
        return size, len(last), digest(last)
    last, stop = b"", 0
    try:
        reader = reader_for(descriptor, "", compression, encoding, 0)
        while piece := read_up_to(reader, _STEP_BYTES):
            stop += len(piece)
            last = (last + piece)[-_LENGTH:]
    except TornArchive:
        pass  # what stands before the tear is what there is
    return stop, len(last), digest(last)
