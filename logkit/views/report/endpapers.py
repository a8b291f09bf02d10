"""The chapters a report ends with: evidence, the ledger, how it was made."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from logkit.views.report.document import Block, Excerpt, Heading, Line, Log, Paragraph, Points, Table
from logkit.views.style import count

if TYPE_CHECKING:
    from logkit.snapshot import Snapshot
    from logkit.views.report.facts import Facts, Quote

_MOST_FILES: Final = 100

_LEDGER: Final = (
    "Bytes read from each file = bytes in events + bytes skipped with a reason + bytes pending. Where that balances, "
    "nothing was lost between the files and this report."
)
_BURSTS: Final = (
    "Bursts are change points of each service's error rate (binomial) and of its durations (by rank), found by optimal "
    "partitioning."
)
_CHANGES: Final = (
    "Changes: G-test, an exact test where fewer than 5 were expected, Mann-Whitney for measures; all allow for events "
    "that come together in time, and for the number of tests (Benjamini and Hochberg, 5 %). They are ordered by the "
    "end of the 95 % interval that is nearer to 1."
)
_SPREAD: Final = (
    "Spread: who erred first in each trace. What comes first need not be the cause; it is where to look first."
)


def evidence(snapshot: Snapshot, facts: Facts) -> Iterator[Block]:
    """The records themselves."""
    yield Heading("Evidence", "evidence")
    root = _root(snapshot)
    if not facts.quotes:
        yield Paragraph(("No record stands out.",))
    yield from (_excerpt(quote, root) for quote in facts.quotes)


def _excerpt(quote: Quote, root: str) -> Excerpt:
    when = "no time" if quote.timestamp is None else f"{quote.timestamp:%H:%M:%S.%f}"[:-3] + " UTC"
    title: Line = (Log(quote.service), f", {when}: {quote.why}")
    file, found = Log(_relative(quote.file, root)), quote.evidence
    if found is None:
        gone = f", byte {quote.offset:,}; the file has changed since, so this is the message as it was read"
        return Excerpt(title, (file, gone), (), Log(quote.message or ""), (), None)
    packed = f" (decompressed from {found.compression})" if found.compression else ""
    place: Line = (file, f", generation {found.generation}, bytes {found.start:,} to {found.stop:,}{packed}")
    before, after = (tuple(map(Log, lines)) for lines in (found.before, found.after))
    command = Log(found.command.replace(quote.file, _relative(quote.file, root)), code=True)
    return Excerpt(title, place, before, Log(found.text), after, command)


def ledger(snapshot: Snapshot, facts: Facts) -> Iterator[Block]:
    """What was read, so that the reader knows what was not."""
    yield Heading("Ledger", "ledger")
    yield Paragraph((_LEDGER,))
    root = _root(snapshot)
    rows: list[tuple[Line, ...]] = []
    found: list[Any] = list(facts.audit.head(_MOST_FILES).itertuples())
    for row in found:
        numbers = (row.seen_bytes, row.committed_bytes, row.skipped_bytes, row.pending_bytes, row.events, row.rejects)
        texts = (*(f"{value:,}" for value in numbers), "yes" if row.balanced else "NO")
        rows.append(((Log(_relative(row.path, root)),), *((text,) for text in texts)))
    yield Table(
        f"The {count(len(facts.audit), 'file')} this report was made from; sizes are decompressed bytes.",
        ("file", "read", "in events", "skipped", "pending", "events", "rejects", "balanced"),
        tuple(rows),
        frozenset(range(1, 7)),
    )
    if len(facts.audit) > len(rows):
        yield Paragraph((f"And {count(len(facts.audit) - len(rows), 'more file')}.",), small=True)


def made(snapshot: Snapshot) -> Iterator[Block]:
    """By which methods, and from what."""
    yield Heading("How this was made", "made")
    kept = f"{len(snapshot) - snapshot.dropped_events:,} of {len(snapshot):,} events were there row by row."
    zone = Log(snapshot.capture.timezone)
    files: Line = (
        "Files: ",
        Log(_root(snapshot) or "."),
        ". Times are UTC; those without a zone were read as ",
        zone,
        ".",
    )
    yield Points((files, (_BURSTS,), (_CHANGES,), (_SPREAD,), (kept,)))


def _root(snapshot: Snapshot) -> str:
    """The folder all files are in."""
    folders = {os.path.dirname(status.path) for status in snapshot.capture.sources}
    return os.path.commonpath(folders) if folders else ""


def _relative(path: str, root: str) -> str:
    return os.path.relpath(path, root) if root and path.startswith(root + os.sep) else path
