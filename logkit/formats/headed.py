"""Tables whose columns a header names: W3C extended logs (IIS, CloudFront, Windows firewall) and Zeek's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from logkit.formats.names import column_name
from logkit.formats.pattern import MESSAGE, RESERVED, TIME
from logkit.formats.regex import Regex

_HEADER: Final = re.compile(rb"^#(?:Fields: *|fields\t)(\S[^\r\n]*)", re.MULTILINE)
_SEPARATOR: Final = re.compile(rb"^#separator +\\x([0-9a-fA-F]{2})", re.MULTILINE)
_SEARCHED: Final = 8192  # bytes of a head in which a header is looked for
_MOST: Final = 100  # columns
_EPOCH: Final = "%s|%Y-%m-%d %H:%M:%S%f%z|%Y-%m-%d %H:%M:%S%f"
_COLUMNS: Final = {
    "c_ip": "client", "cs_username": "user", "s_ip": "server", "s_computername": "host", "cs_host": "host",
    "cs_method": "method", "cs_uri_stem": "path", "cs_uri_query": "query", "cs_version": "protocol",
    "sc_status": "status", "sc_bytes": "bytes", "cs_user_agent": "user_agent", "cs_referer": "referrer",
    "id_orig_h": "client", "id_orig_p": "client_port", "id_resp_h": "server", "id_resp_p": "server_port",
    "status_code": "status", "uri": "path", "service_field": "app_protocol", "msg": MESSAGE, "src_ip": "client",
    "dst_ip": "server", "level_field": "level_text", "message_field": MESSAGE,
}  # fmt: skip


def headed(head: bytes) -> Regex | None:
    """The format of a file whose head names its columns, else None.

    Times without a date (only `time` among the columns) take their day from the file's. Lines that begin with `#` are
    records too, without a time. `status` gives the level.
    """
    found = _HEADER.search(head, 0, _SEARCHED)
    if found is None:
        return None
    zeek = found[0].startswith(b"#fields")
    separator = _separator(head, found.end(), zeek)
    written = found[1].decode("utf-8", "replace").split("\t" if zeek else None)
    if not 2 <= len(written) <= _MOST:
        return None
    seconds = zeek or _fraction_taken(head, found.end(), separator, written)
    pieces, layout = _pieces([name.strip().lower() for name in written], separator, seconds)
    names = {name for name, _ in pieces}
    if TIME not in names:
        return None
    values = re.escape(separator).join(f"(?P<{name}>{value})" for name, value in pieces)
    return Regex(
        "zeek" if zeek else "w3c",
        rf"(?:#.*|{values}(?:{re.escape(separator)}.*)?)",
        time=layout,
        multiline=False,
        levels="status" if "status" in names else "none",
        dash_is_null=True,
    )


def _separator(head: bytes, start: int, zeek: bool) -> str:
    if zeek:
        written = _SEPARATOR.search(head, 0, _SEARCHED)
        return chr(int(written[1], 16)) if written else "\t"
    # W3C headers have blanks between names, whatever parts the values: the first row tells.
    row = _first_row(head, start)
    return "\t" if b"\t" in row else " "


def _first_row(head: bytes, start: int) -> bytes:
    rows = (line for line in head[start : start + _SEARCHED].split(b"\n")[1:] if line and not line.startswith(b"#"))
    return next(rows, b"")


def _fraction_taken(head: bytes, start: int, separator: str, names: Sequence[str]) -> bool:
    """Whether `time-taken` is written in seconds with a fraction, as CloudFront does, and not in milliseconds."""
    row = _first_row(head, start).split(separator.encode())
    taken = [value for name, value in zip(names, row, strict=False) if name.lower() == "time-taken"]
    return any(b"." in value for value in taken)


def _pieces(written: Sequence[str], separator: str, seconds: bool) -> tuple[list[tuple[str, str]], str]:
    """A group's name and what it matches for each column, and how the time is written."""
    value = r'(?:"[^"]*"|[^ ]*)' if separator == " " else f"[^{re.escape(separator)}]*"
    pieces: list[tuple[str, str]] = []
    layout, skip = "%H:%M:%S%f", False
    for place, name in enumerate(written):
        if skip:
            skip = False
            continue
        if name.startswith("date") and written[place + 1 : place + 2] == [name.replace("date", "time")]:
            gap = re.escape(separator)
            pieces.append((TIME, rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}{gap}[0-9:.]+"))
            layout, skip = f"%Y-%m-%d{separator}%H:%M:%S%f", True
        elif name in ("ts", "timestamp", "time") and TIME not in dict(pieces):
            layout = layout if name == "time" else _EPOCH
            pieces.append((TIME, value))
        else:
            pieces.append((_name(name, seconds, {known for known, _ in pieces}), value))
    return pieces, layout


def _name(written: str, seconds: bool, taken: set[str]) -> str:
    """A column's name: ours where we have one, else its own in snake case, each once."""
    plain = column_name(written) or "column"
    if plain in ("time_taken", "duration", "timetaken"):
        plain = "duration_s" if seconds else "duration_ms"
    name = _COLUMNS.get(plain, plain)
    if name in RESERVED or name == TIME or not re.fullmatch(r"[a-z_][a-z0-9_]*", name):
        name = "".join(c if c.isascii() and c.isalnum() else "_" for c in name) + "_field"
    number = 2
    while name in taken:
        name, number = f"{plain}_{number}", number + 1
    return name
