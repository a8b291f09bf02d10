"""Pure: where the ticks of a timeline stand and what they are called, in UTC whatever the browser's time zone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

_STEPS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200)
_DAY: Final = 86_400
_MOST: Final = 8
_MARGIN: Final = 0.03  # a label nearer to an end than this would be cut off


def ticks(start: int, stop: int) -> dict[int, str]:
    """At most 8 round times in (start, stop), seconds since 1970, and their labels; start < stop."""
    step = next((step for step in _STEPS if stop - start <= _MOST * step), 0)
    if not step:
        step = _DAY * -(-(stop - start) // (_MOST * _DAY))
    margin = _MARGIN * (stop - start)
    first = -(-start // step) * step
    return {at: _label(at, step) for at in range(first, stop, step) if start + margin <= at <= stop - margin}


def top_of(height: float) -> float:
    """The least round number that holds `height`, so that the axis does not move with every event."""
    if height <= 2:
        return max(1.0, height)
    power = 1.0
    while 10 * power < height:
        power *= 10
    steps = (1, 1.5, 2, 3, 4, 6, 8, 10) if power >= 100 else (1, 2, 3, 4, 6, 8, 10)  # half of it is a whole number too
    return next(step * power for step in steps if step * power >= height)


def _label(at: int, step: int) -> str:
    moment = datetime.fromtimestamp(at, UTC)
    if step >= _DAY or at % _DAY == 0:
        return f"{moment:%Y-%m-%d}"
    return f"{moment:%H:%M:%S}" if step < 60 else f"{moment:%H:%M}"
