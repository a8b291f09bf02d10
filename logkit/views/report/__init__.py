"""The incident report: one file to send, as HTML that needs nothing else, or as Markdown.

`facts` asks the snapshot (the longest question `aside`), `chapters` and `sentences` make a `document` of it, `prepare`
and `redact` go over every text that came out of a log, `html` and `markdown` write it down.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from logkit.analysis.windows import window_of
from logkit.errors import PathError, SettingError
from logkit.sinks import registry
from logkit.views.report import html, markdown
from logkit.views.report.aside import aside
from logkit.views.report.chapters import document, drawing, pictures
from logkit.views.report.document import Paragraph
from logkit.views.report.facts import gather
from logkit.views.report.prepare import prepared
from logkit.views.report.redact import Redact, Redactor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from logkit.snapshot import Snapshot

_WRITERS: Final = {".html": html.render, ".htm": html.render, ".md": markdown.render, ".markdown": markdown.render}


def write(
    snapshot: Snapshot,
    path: str | os.PathLike[str],
    title: str,
    window: Any,
    baseline: Any,
    notes: str | Sequence[str],
    redact: Redact,
) -> str:
    """See `Snapshot.report`."""
    target = _target(snapshot, path)
    render = _WRITERS[target.suffix.lower()]
    redactor = Redactor(redact)
    if not isinstance(title, str):
        raise SettingError(f"expected title as text, found {title!r}", setting="title", value=title)
    if not isinstance(notes, Iterable) or not all(isinstance(note, str) for note in notes):
        raise SettingError(f"expected notes as a text or several, found {notes!r}", setting="notes", value=notes)
    said = tuple(part.strip() for note in ([notes] if isinstance(notes, str) else notes) for part in note.split("\n\n"))
    store = snapshot.capture.store
    with nullcontext() if store is None else store.held_open():
        meant = window_of(snapshot, window)
        drawn = drawing(snapshot, redactor, render is html.render)
        # DuckDB and Polars count without the GIL what Matplotlib does not need.
        with aside(lambda: snapshot.compare(meant, baseline)) as compared:
            timeline = pictures(snapshot, meant, drawn)
            facts = gather(snapshot, meant, compared)
        made = document(snapshot, facts, title, tuple(part for part in said if part), timeline, drawn)
    made = prepared(made, redactor)
    made = replace(made, blocks=(*made.blocks, Paragraph((redactor.sentence(),), small=True)))
    _save(target, render(made))
    return str(target)


def _target(snapshot: Snapshot, path: str | os.PathLike[str]) -> Path:
    target = Path(path).expanduser().absolute()
    if target.suffix.lower() not in _WRITERS:
        raise SettingError(
            f"expected a path that ends in .html or .md, found {str(path)!r}; try {target.with_suffix('.html').name!r}",
            setting="path",
            value=path,
        )
    if not target.parent.is_dir():
        nearest = next(folder for folder in target.parents if folder.is_dir())
        raise PathError(
            f"expected a folder to write to, found none at {str(target.parent)!r}; try one in {str(nearest)!r}",
            path=str(target.parent),
            nearest=nearest,
        )
    if any(os.path.realpath(target) == os.path.realpath(status.path) for status in snapshot.capture.sources):
        raise SettingError(
            f"expected a path beside the logs, found the log {str(target)!r}", setting="path", value=path
        )
    return target


def _save(target: Path, text: str) -> None:
    """All of it or nothing: a reader never meets half a report, and who watches the folder takes it for no log."""
    registry.keep_out((os.path.abspath(target), os.path.realpath(target)))
    descriptor, name = tempfile.mkstemp(prefix=".", suffix=target.suffix, dir=target.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(name, 0o644)
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise
