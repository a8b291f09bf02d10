"""The tracker: which source each file is that a scan finds, where those are that it misses, and what is a copy of what.

The watcher's own, one thread; it looks at names, inodes and sizes. What a file holds is looked at by workers, who are
sent to probe it, and what they found out comes back here.
"""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from logkit.capture import DELETED
from logkit.engine import progress as core
from logkit.engine.census import Census, File, beside, rotated_from, unrotated, whereabouts
from logkit.engine.delivery import Delivery
from logkit.engine.descriptors import Descriptors
from logkit.engine.known import Candidate, Key
from logkit.engine.progress import Progress
from logkit.engine.settings import Settings
from logkit.engine.state import State
from logkit.sources import Found, Identity
from logkit.sources.discovery import look
from logkit.sources.remote import is_remote
from logkit.sources.span import Tail

_KEEP_MARKS = 256  # of so many sources that are gone it is known what they had at any time
_WHOLE_HEAD = 1024  # a head as long as this tells a copy by its content alone, whatever it is called


class Tracker:
    """Sources by the files they are in. `dirty` are those to be planned anew, for the watcher to take."""

    def __init__(self, settings: Settings, state: State, files: Descriptors, delivery: Delivery) -> None:
        self._settings = settings
        self._state = state
        self._files = files
        self._delivery = delivery
        self._census = Census()
        self._ids = itertools.count()
        self._copies: dict[Key, Key] = {}  # of which source there is a copy, and which that is
        self._twins: dict[Key, Key] = {}  # files that came back when their source had gone on in a copy, and that
        self._gone: deque[Key] = deque()  # the newest of those that are gone
        self.dirty: dict[Key, None] = {}

    def resume(self, known: Sequence[Progress], covers: Callable[[str], bool]) -> None:
        """Take up the sources that a store remembers; those that are gone, or none of ours, should they come back."""
        # Of those that had the same inode the newest has it, and who is there has it rather than who is gone.
        for one in sorted(known, key=lambda one: (not one.gone, one.key)):
            assert one.file is not None
            self._census.enter(one.key, Found(one.path, *one.file, one.disk_bytes, one.modified))
            if one.gone or not (covers(one.path) or covers(unrotated(one.path))):
                self._census.depart(one.file)
        self._census.look_anew()  # what is remembered is older than all that the first scan finds
        self._ids = itertools.count(max((one.source for one in known), default=-1) + 1)

    def take(self, scanned: list[Found], now: float) -> None:
        """All files of one scan."""
        changed, missing = self._census.news(scanned)
        if not self._settings.finite:
            for file in missing:
                self._follow(file, now)
        for found in changed:
            self._observe(found, now)

    def look(self, path: str, now: float) -> bool:
        """Look at one path; False where a scan has to say what stands there."""
        # Only known files: what is new may be hidden or passed over.
        key = self._census.by_path.get(path)
        found = look(path) if key else None
        if not isinstance(found, Found) or self._census.known.get((found.device, found.inode)) != key:
            return False
        self._observe(found, now)
        return True

    def look_again(self, key: Key, now: float) -> bool:
        """The file of a source has other content than was read: another one begins. False as for `look`."""
        before = self._state.progress(key)
        if before is not None and before.gone:
            return True  # several spans found it out: another one has begun already
        if before is None or before.file is None:
            return False
        found = look(before.path)
        if isinstance(found, Found) and is_remote(found.path):
            self._begin_anew(key, found, now)
            return True
        if not isinstance(found, Found) or (found.device, found.inode) != before.file:
            status = self._files.stat(before.file)
            if status is None:
                return False
            self._state.change(key, lambda p: replace(p, nameless=True))
            found = Found(before.path, *before.file, status.st_size, status.st_mtime)
        self._begin_anew(key, found, now)
        return True

    def _observe(self, found: Found, now: float) -> None:
        file = found.device, found.inode
        key = self._census.known.get(file) or self._census.returned(found)
        before = self._state.progress(key) if key else None
        if key is None and is_remote(found.path) and found.path in self._census.by_path:
            self._begin_anew(self._census.by_path[found.path], found, now)  # another version of the same object
        elif key is None or before is None:
            self._start((next(self._ids), 0), found, now)
        elif before.file != file:
            twin = next(self._ids), 0
            self._twins[twin] = key
            self._start(twin, found, now)
        elif core.shrunk(before, found):
            self._begin_anew(key, found, now)
        elif core.observed(before, found, now) is not before:
            empty = before.disk_bytes == 0
            filled = empty and rotated_from(found.path) != os.path.basename(found.path)  # by who copies a log into it
            if before.identity is None and (before.gone or filled or before.path != found.path):
                self._census.rename(key, found.path, unknown=before.gone or empty)
            elif before.copy_of is not None:
                self._census.remove(key)  # its inode may be another file's by now, and that a copy of any known one
            self._census.enter(key, found)
            self._state.change(key, lambda p: core.observed(p, found, now))
            if before.path != found.path:
                self._delivery.mark(key)
            self.dirty[key] = None

    def _start(self, key: Key, found: Found, now: float, *, was_there: bool = False) -> None:
        file = found.device, found.inode
        self._census.enter(key, found, was_there=was_there)
        self._state.add(Progress(*key, found.path, found.size, found.modified, now, file=file, first_path=found.path))
        self.dirty[key] = None

    def _begin_anew(self, key: Key, found: Found, now: float) -> None:
        """The same file with other content: truncated and written anew, or another file with its inode."""
        self._census.replace((found.device, found.inode))
        before = self._depart(key)
        if before.file is not None and before.file != (found.device, found.inode):
            self._census.replace(before.file)
            self._files.release(before.file)
        if not before.nameless:  # else it is to be read from nowhere but our own descriptor
            self._files.release((found.device, found.inode))
        same_name = before.path == found.path
        anew = (key[0], self._newest(key[0]) + 1) if same_name else (next(self._ids), 0)
        self._start(anew, found, now, was_there=same_name)
        if not self._settings.finite:
            self._find_rotated(before, now)

    def _newest(self, source: int) -> int:
        return max(one.generation for one in self._state.all_progress() if one.source == source)

    def _depart(self, key: Key) -> Progress:
        """What is known of a source's content is all there will be, unless there is a copy of it."""
        gone = self._state.change(key, core.departed)
        self._gone.append(key)
        oldest = self._gone.popleft() if len(self._gone) > _KEEP_MARKS else None
        if oldest is not None and self._state.progress(oldest) is not None:  # else it turned out to be another's copy
            self._state.change(oldest, core.condensed)
        self._delivery.mark(key)
        self.conclude(key)
        if gone.copy_of is not None:
            self.conclude(gone.copy_of)
        return gone

    def conclude(self, key: Key) -> None:
        """A source that is gone goes on in its copy; where there is none, what was shown of it stays.

        Not before its readers are done: what they have in hand they have read while it was whole.
        """
        one = self._state.progress(key)
        if one is None or not one.gone or one.leases:
            return
        held, copy = self._state.held(key), self._copies.get(key)
        place = self._state.progress(copy) if copy is not None else None
        there = place is not None and place.copy_of == key and not (place.gone or place.error)
        if there and place is not None and (held or one.unread_bytes):
            if not (place.leases or place.suspect):
                self._look_once_more(place.key)
            return  # what is found out leads here again
        if held is not None:
            self._delivery.put_now(replace(held, held=False))  # it cannot be read again

    def _follow(self, file: File, now: float) -> None:
        """A known file that the scan did not find: renamed to where nobody looks, or deleted.

        It is read to its end wherever it is, and given up once it has been quiet for a while.
        """
        census, key = self._census, self._census.known[file]
        before = self._state.progress(key)
        if before is None:
            census.replace(file)
            return
        if file not in census.missing:
            census.missing[file] = now
            self._find_rotated(before, now)
        found = look(before.path)
        if is_remote(before.path):
            found = None  # nobody renames objects, and an open one is no more than its name
        elif not (isinstance(found, Found) and (found.device, found.inode) == file):
            found, _ = whereabouts(before, census.known)
        status = self._files.stat(file) if found is None and not is_remote(before.path) else None
        if found is not None:
            self._observe(found, now)
        elif status is not None:
            self._state.change(key, lambda p: p if p.nameless else replace(p, nameless=True))
            if (status.st_size, status.st_mtime) != (before.disk_bytes, before.modified):
                self._observe(Found(before.path, *file, status.st_size, status.st_mtime), now)
                self._state.change(key, lambda p: replace(p, nameless=True))
        if census.known.get(file) != key:
            return  # it had been written anew: the next scan misses what stands there now
        quiet = now - max(before.changed_at, census.missing[file])
        busy = before.leases or before.unread_bytes or before.error
        nowhere = found is None and status is None
        if nowhere or (not busy and quiet >= self._settings.follow_seconds):
            census.depart(file)
            self._files.release(file)
            self._depart(key)

    def _find_rotated(self, before: Progress, now: float) -> None:
        """Files beside one that was rotated which nobody looks at, but which hold what came after it."""
        self._census.look_anew()
        for found in whereabouts(before, self._census.known)[1]:
            if self._census.returned(found) is None:
                self._observe(found, now)

    def is_too_early(self, progress: Progress) -> bool:
        """Whether a new file has to wait: one whose copy it may be is to be looked into first."""
        if progress.identity is not None or progress.gone or self._settings.finite:
            return False
        originals = [self._state.progress(key) for key in self._census.originals(progress.key)]
        return any(one is not None and self._is_to_be_looked_into(one) for one in originals)

    def _is_to_be_looked_into(self, one: Progress) -> bool:
        if one.gone or not one.disk_bytes or not (one.identity is None or one.suspect) or one.copy_of is not None:
            return False
        if one.file is None or self._census.known.get(one.file) != one.key:
            return False  # a store remembers it, and nobody looks at it here
        return not one.error or (one.retrying and one.attempts < self._settings.max_attempts)

    def candidates(self, progress: Progress) -> tuple[Candidate, ...]:
        """The sources that a new file may be a copy of: known before it appeared, and called like it."""
        found = []
        name = rotated_from(progress.path)
        for key in self._census.originals(progress.key):
            one = self._state.progress(key)
            known = one.known_again if one else None
            if one is None or known is None or one.copy_of is not None:
                continue
            if self._twins.get(progress.key) == key:
                found.append(known)
            if progress.path in (one.first_path, one.path):
                continue  # what stands in its place comes after it
            # The log itself is never a copy of what was rotated, though both may begin with the same few lines.
            called_like_it = rotated_from(one.first_path) == name != os.path.basename(progress.path)
            if beside(one.first_path, progress.path) and (called_like_it or len(known.head) >= _WHOLE_HEAD):
                found.append(replace(known, in_place=os.path.basename(one.path) == name))
        return tuple(found)

    def is_copy(self, key: Key, identity: Identity, original: Key, copy_to: int | None, copied: Tail | None) -> None:
        """What was found is a copy of a source: not to be read again, but to go on from should that one be gone.

        `copy_to` is how far the source had been known when it was found to hold all of it, None if it does not;
        `copied` is how the copy ends by now.
        """
        self._state.change(key, lambda p: replace(core.probed(p, identity, 1), copy_of=original, copied=copied))
        if copy_to is None:
            if self._copies.get(original) == key:
                del self._copies[original]
            return
        self._copies[original] = key
        one = self._state.progress(original)
        if one is not None and one.gone and not one.leases:
            if one.known_to == copy_to:
                self._adopt(original, key)
            else:
                self._look_once_more(key)

    def _look_once_more(self, copy: Key) -> None:
        """It was a copy of all that was finished when it was looked at: is it, of all that is now?"""
        self._state.change(copy, lambda p: replace(p, suspect=True))
        self.dirty[copy] = None

    def _adopt(self, original: Key, copy: Key) -> None:
        """A source that is gone goes on in the file that is a copy of it."""
        place, held = self._state.progress(copy), self._state.held(original)
        assert place is not None
        assert place.file is not None
        assert place.identity is not None
        identity, file, size, path = place.identity, place.file, place.disk_bytes, place.path
        self._census.remove(copy)
        self._state.remove(copy)
        self._census.enter(original, Found(path, *file, size, place.modified))

        def move(p: Progress) -> Progress:
            assert p.identity is not None
            moved = replace(identity, head=p.identity.head, reference_us=p.identity.reference_us)
            p = replace(p, path=path, file=file, disk_bytes=size, identity=moved, read_at=None, gone=False)
            # What was seen of it and was not copied has gone with it.
            return p if p.serial or size >= p.seen_bytes else core.skipped(p, size, p.seen_bytes, DELETED)

        if held is not None and not identity.serial and size < held.stop:
            self._delivery.put_now(replace(held, held=False))  # more of it was shown than was copied
        self._state.change(original, move)
        self._delivery.mark(original)
        self.dirty[original] = None
