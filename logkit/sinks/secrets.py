"""What must not be seen: told apart from what may, and taken out of text that others wrote."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit, urlunsplit

_HIDDEN = "***"
_SHORTEST = 4  # shorter ones occur by chance in any text


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
