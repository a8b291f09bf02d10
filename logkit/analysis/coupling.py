"""Errors that name no trace: whether they come just before those that do, more often than by chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

_LAGS_US: Final = (1_000, 10_000, 100_000, 1_000_000)
_SHIFTS: Final = (3, 5, 7, 11, 13, 17)
_LEAST_SHARE: Final = 0.5
_LEAST_SIGMAS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Coupling:
    """Of the errors looked at, `share` follow one of the other service within `lag_us`; by chance `chance` would."""

    lag_us: int
    share: float
    chance: float

    @property
    def attributable(self) -> float:
        """The share that chance does not explain, of what it leaves."""
        return (self.share - self.chance) / (1 - self.chance) if self.chance < 1 else 0.0


def coupling(causes_us: Ints, effects_us: Ints, effect_resolution_us: int) -> Coupling | None:
    """How closely effects follow causes, or None where they do not, or not more than by chance.

    Both are sorted. Chance is what is left when the effects are shifted by a few lags to either side: slow waves
    common to both stay, closeness goes (interval jitter; A. Amarasingham et al., "Conditional modeling and the jitter
    method of spike resampling", J. Neurophysiology 107 (2012)). Of several lags the one that tells most is taken.
    """
    if not len(causes_us) or not len(effects_us):
        return None
    found = []
    for lag in _LAGS_US:
        if lag < effect_resolution_us and lag != _LAGS_US[-1]:
            continue
        share = followed(causes_us, effects_us, lag, effect_resolution_us).mean()
        reach = lag + effect_resolution_us
        moved = [
            followed(causes_us, effects_us + sign * by * reach, lag, effect_resolution_us).mean()
            for by in _SHIFTS
            for sign in (-1, 1)
        ]
        found.append(Coupling(lag, float(share), float(np.mean(moved))))
    best = max(found, key=lambda one: one.share - one.chance)
    spread = np.sqrt(max(best.chance * (1 - best.chance), 1 / len(effects_us)) / len(effects_us))
    sure = best.share - best.chance >= _LEAST_SIGMAS * spread
    return best if sure and best.attributable >= _LEAST_SHARE else None


def followed(causes_us: Ints, effects_us: Ints, lag_us: int, resolution_us: int) -> npt.NDArray[np.bool_]:
    """For each effect whether a cause lies in the `lag_us` before it or in the time its clock rounds off."""
    upto = np.searchsorted(causes_us, effects_us + resolution_us, side="left")
    since = np.searchsorted(causes_us, effects_us - lag_us, side="left")
    return upto > since
