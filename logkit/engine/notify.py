"""Change notification: blocks on the operating system and nudges the watcher, which alone decides what to read."""

from __future__ import annotations

import threading

from logkit.engine.threads import Activity
from logkit.engine.watcher import Watcher
from logkit.sources import Roots

_STEP_MS = 20
_DEBOUNCE_MS = 50
_CHECK_STOP_MS = 500


class Notifier:
    """The loop of `logkit-notify`. Where notification fails the scans go on without it."""

    def __init__(self, roots: Roots, watcher: Watcher, stopping: threading.Event, poll_seconds: float) -> None:
        self._roots = roots
        self._watcher = watcher
        self._stopping = stopping
        self._poll_seconds = poll_seconds

    def loop(self, activity: Activity) -> None:
        """Wait for changes until the stop event is set; look again for folders that are not there yet."""
        while not self._stopping.is_set():
            folders, recursive = self._roots.folders()
            activity.enter("sleeping", ", ".join(folders))
            if not folders:  # all of them are on other machines: scans find what changes there
                self._stopping.wait()
                return
            try:
                import watchfiles

                for changes in watchfiles.watch(
                    *folders,
                    recursive=recursive,
                    watch_filter=None,
                    debounce=_DEBOUNCE_MS,
                    step=_STEP_MS,
                    stop_event=self._stopping,
                    rust_timeout=_CHECK_STOP_MS,
                    yield_on_timeout=True,
                    raise_interrupt=False,
                    ignore_permission_denied=True,
                ):
                    for _, path in changes:
                        self._watcher.nudge(path)
                    if (folders, recursive) != self._roots.folders():
                        break
            except Exception as error:  # too many watches, a folder that went away: scans go on without notification
                activity.failed(error)
                self._stopping.wait(self._poll_seconds)
