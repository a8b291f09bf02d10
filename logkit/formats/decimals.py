"""Decimals, as fields write them -> the doubles nearest to them."""

from __future__ import annotations

import re
from typing import Final

import numpy as np
import numpy.typing as npt

from logkit.formats import kernels
from logkit.formats.block import Mask, Text

_DECIMAL: Final = re.compile(r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?", re.ASCII)
_FEW: Final = 200  # rows of a block that are looked at one by one


def read_decimals(text: Text) -> tuple[npt.NDArray[np.float64], Mask]:
    """Numbers such as `12` and `-1.50`, NaN where there is none; and of which rows this is known, empty ones included.

    Others may be numbers all the same: with an exponent, say, or many with more digits than a double holds.
    """
    if kernels.compiled:
        values, known = kernels.decimals(text.block.data, text.start, text.stop)
    else:
        values, known = np.full(len(text), np.nan), text.start == text.stop
    for row in np.flatnonzero(~known)[:_FEW].tolist():
        written = text.block.text(int(text.start[row]), int(text.stop[row]))
        if _DECIMAL.fullmatch(written):
            values[row], known[row] = float(written), True
    return values, known
