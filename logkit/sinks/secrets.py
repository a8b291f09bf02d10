"""What must not be seen: told apart from what may, and taken out of text that others wrote."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit, urlunsplit

from logkit.errors import SettingError

_HIDDEN = "***"
_SHORTEST = 4  # shorter ones occur by chance in any text
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # of RFC 9110, 5.6.2
_VALUE = re.compile(r"[\t\x20-\x7e]*")


def hidden(text: str, secrets: Iterable[str]) -> str:
    """`text` with every secret, as it is or as a URL writes it, replaced."""
    for secret in sorted({form for one in secrets for form in (one, quote(one, ""), quote_plus(one))}, key=len)[::-1]:
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, _HIDDEN)
    return text


def public_url(url: str) -> str:
    """A URL without its user, password, query and fragment."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def url_secrets(url: str) -> list[str]:
    """What in a URL may be secret: user, password and the values of its query."""
    parts = urlsplit(url)
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    values = [value for _, value in parse_qsl(parts.query, keep_blank_values=True)]
    return [one for one in (unquote(user), unquote(password), parts.query, *values, parts.fragment) if one]


def checked_headers(given: Mapping[str, str]) -> dict[str, str]:
    """The same, of which every one can be sent; what a value is must not be told."""
    for name, value in given.items():
        sound = isinstance(name, str) and isinstance(value, str) and _TOKEN.fullmatch(name) and _VALUE.fullmatch(value)
        if not sound:
            message = (
                f"expected headers= of names and one line of ASCII text each, found another at {name!r}; try .strip()"
            )
            raise SettingError(message, setting="headers", value=f"{name!r}: ***")
    return dict(given)


def credentials(headers: Mapping[str, str]) -> list[str]:
    """The parts of values such as `Bearer TOKEN`, which are secret by themselves."""
    return [part for value in headers.values() for part in value.split() if part.lower() not in ("bearer", "basic")]
