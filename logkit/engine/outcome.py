"""What a worker does and hands back: spans to read, files to say something of, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass

from logkit.engine.known import Key, Probe
from logkit.sources import Identity, Span
from logkit.sources.span import Tail

Work = Span | Probe


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a piece of work ended. `left` is what remains to be tried again after `error`, None when it is done.

    `seen_to` is how far the reader looked into the source, `head` how the file begins. `cause` tells failures of the
    file (`io`: it may come back) from a torn archive (`torn`: trying again cannot help), other content than before
    (`changed`), bytes finished already (`overtaken`) and content nobody can read (`poison`: `resume_at` is where to go
    on should it be set aside). Of a probe: `same` says whether the file is the one expected; `copy_of` whose content it
    has (all that was finished of it, up to `copy_to`, or a part: None), and `copied` how it ends by now; `maybe_of`
    whose content it may come to have (a copy in the making); `other`: nothing of this is told yet, because that source
    was found to have other content than it was known by; `shared_bytes` are at the beginning of a copy written on.
    """

    work: Work
    left: Work | None = None
    error: str | None = None
    seen_to: int = 0
    head: bytes = b""
    identity: Identity | None = None
    same: bool = True
    copy_of: Key | None = None
    copy_to: int | None = None
    copied: Tail | None = None
    maybe_of: Key | None = None
    other: Key | None = None
    shared_bytes: int = 0
    cause: str = "poison"
    resume_at: int | None = None
