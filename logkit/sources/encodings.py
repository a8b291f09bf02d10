"""Which encoding a file has, told from its head.

UTF-8 and Latin-1 are read as they lie in the file (see `recode`): their line ends are the same bytes. UTF-16 is
transcoded while it is read (see `reader`), so that all behind sees lines that end with a byte.
"""

from __future__ import annotations

import codecs
import re
from typing import Final, Literal

import numpy as np

Encoding = Literal["utf-8", "utf-16-le", "utf-16-be", "latin-1"]

_FEW: Final = 8  # UTF-16 units without a byte order mark that are too few to tell
_UNITS: Final = 2048  # units looked at
_LONE: Final = re.compile("[\ud800-\udfff]")


def encoding_of(head: bytes) -> Encoding:
    """The encoding of a file whose text begins with `head`; the last character may be torn.

    UTF-16 is told by its byte order mark, or by the NUL in nearly every second byte. Latin-1 is what is left when
    nothing in the head is UTF-8 beyond ASCII, nothing is a C1 control, and most high bytes are letters among letters.
    """
    if head.startswith(codecs.BOM_UTF16_LE) and not head.startswith(codecs.BOM_UTF32_LE):
        return "utf-16-le"
    if head.startswith(codecs.BOM_UTF16_BE):
        return "utf-16-be"
    marked = _utf16_without_mark(head)
    if marked is not None:
        return marked
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "latin-1" if _is_latin1(head) else "utf-8"
    return "utf-8"


def _utf16_without_mark(head: bytes) -> Encoding | None:
    units = np.frombuffer(head[: min(2 * _UNITS, len(head) // 2 * 2)], np.uint8).reshape(-1, 2)
    if len(units) < _FEW:
        return None
    even, odd = (units == 0).mean(axis=0)
    if odd > 0.75 and even < 0.02:
        return "utf-16-le"
    return "utf-16-be" if even > 0.75 and odd < 0.02 else None


def _is_latin1(head: bytes) -> bool:
    if not head.decode("utf-8", "ignore").isascii():
        return False
    raw = np.frombuffer(b" " + head + b" ", np.uint8)
    high = np.flatnonzero(raw >= 0x80)
    if (raw[high] < 0xA0).any():
        return False
    folded = raw | 0x20
    word = ((folded >= 97) & (folded <= 122)) | (raw >= 0xC0)
    among = word[high] & (word[high - 1] | word[high + 1])
    return bool(2 * among.sum() >= len(high))


def utf16_decoder(encoding: str) -> codecs.IncrementalDecoder:
    """Decodes UTF-16 as it comes; halves of surrogate pairs stay what they are, for `utf8` to mark."""
    return codecs.getincrementaldecoder(encoding)("surrogatepass")


def utf8(text: str) -> bytes:
    """`text` in UTF-8, with the byte FF, which is none, for each half of a surrogate pair."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _LONE.sub("\udcff", text).encode("utf-8", "surrogateescape")


def transcoded(head: bytes, encoding: str) -> bytes:
    """The beginning of a file as its reader gives it: UTF-16 in UTF-8, without what is torn at its end."""
    return utf8(utf16_decoder(encoding).decode(head)) if encoding.startswith("utf-16") else head


def line_end_of(head: bytes) -> bytes:
    """CR for a file whose head has CR within and no LF, as old systems wrote it; else LF, be it behind CR or not."""
    return b"\r" if b"\n" not in head and re.search(rb"\r[^\r]", head) else b"\n"
