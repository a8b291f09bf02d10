"""What a sink has of one generation of one source, as the text it remembers it by. Pure."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from logkit.errors import SinkError
from logkit.sinks.saved import Saved, read_path, written_path
from logkit.sources.span import Ranges

_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Memory:
    """`saved.ranges` are the bytes a sink has, `saved.ends` their ends. `promised` are those of parcels that were about
    to be sent: whoever sends them again must cut them alike, as their keys say which bytes they are of.

    `lineage` and the numbers in `saved` name the source for good, whatever number it has in this process, and `called`
    is the path that its rows say they are of, wherever the file is by now: the same rows are always sent alike.
    """

    lineage: str
    called: str
    saved: Saved
    promised: Ranges = ()

    @property
    def name(self) -> str:
        """What the sink keeps the text under."""
        return f"{self.lineage}-{self.saved.source}-{self.saved.generation}"


def written(memory: Memory) -> str:
    """As one line of JSON."""
    facts = asdict(memory.saved) | {"path": written_path(memory.saved.path)}
    facts["head"] = b64encode(memory.saved.head).decode()
    facts["ends"] = [(stop, length, digest.hex(), last) for stop, length, digest, last in memory.saved.ends]
    whole = {
        "version": _VERSION,
        "lineage": memory.lineage,
        "called": written_path(memory.called),
        "promised": memory.promised,
        **facts,
    }
    return json.dumps(whole, separators=(",", ":"))


def read(text: str, sink: str) -> Memory:
    """The memory that `written` wrote. Raises SinkError for text it did not write."""
    try:
        facts: dict[str, Any] = json.loads(text)
        if facts.pop("version") != _VERSION:
            raise ValueError("it is of a newer logkit")
        lineage, promised = str(facts.pop("lineage")), _ranges(facts.pop("promised"))
        called = read_path(facts.pop("called"))
        saved = Saved(**facts)
        saved = replace(
            saved,
            path=read_path(saved.path),
            head=b64decode(saved.head),
            ranges=_ranges(saved.ranges),
            ends=tuple((stop, length, bytes.fromhex(str(digest)), last) for stop, length, digest, last in saved.ends),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise SinkError(
            f"expected what the sink {sink!r} remembers of a source, found text that is none: {error}; try another "
            "journal or name, and everything is sent anew",
            sink=sink,
            temporary=False,
        ) from error
    return Memory(lineage, called, saved, promised)


def _ranges(pairs: Any) -> Ranges:
    return tuple((int(start), int(stop)) for start, stop in pairs)
