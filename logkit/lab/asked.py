"""What the lab is asked to do, checked before the first thread starts."""

from __future__ import annotations

import math
from operator import index
from typing import Any

from logkit.errors import SettingError

MOST_SECONDS = 60.0
"""The longest that anything sleeps for each time."""


def whole(name: str, value: Any, least: int, most: int | None, good: int) -> int:
    """A whole number from `least` to `most`; `good` is one to try. Raises SettingError."""
    wanted = f"from {least} to {most:,}" if most is not None else f"of {least} or more"
    try:
        number = index(value)
    except TypeError:
        number = least - 1
    if number < least or (most is not None and number > most):
        raise SettingError(f"expected {name}= {wanted}, found {value!r}; try {name}={good}", setting=name, value=value)
    return number


def seconds(name: str, value: Any, good: float, least: float = 0) -> float:
    """Seconds that one can sleep, from `least` to 60. Raises SettingError."""
    try:
        number = float(value) if not isinstance(value, str) else math.nan
    except TypeError:
        number = math.nan
    if not least <= number <= MOST_SECONDS:
        raise SettingError(
            f"expected {name}= from {least:g} to {MOST_SECONDS:g} seconds, found {value!r}; try {name}={good:g}",
            setting=name,
            value=value,
        )
    return number


def lock(value: Any) -> None:
    """Something with `acquire` and `release`, made already. Raises SettingError."""
    if isinstance(value, type) or not (hasattr(value, "acquire") and hasattr(value, "release")):
        raise SettingError(
            f"expected lock= to be a lock, found {value!r}; try lock=threading.Lock()", setting="lock", value=value
        )


def function(name: str, value: Any) -> None:
    """Something that can be called. Raises SettingError."""
    if not callable(value):
        raise SettingError(
            f"expected {name}= to be a function, found {value!r}; try a lambda", setting=name, value=value
        )
