"""What must not leave the house: e-mail addresses, IP addresses, secrets, and what else somebody names."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any, Final

from logkit.errors import SettingError

Redact = bool | str | re.Pattern[str] | Iterable[str | re.Pattern[str]]
"""`True` for all kinds; or names of `KINDS` and regular expressions, one or several; `()` or False for nothing."""

# Repetitions are bounded: a line of a million characters must not take for ever.
_EMAIL: Final = re.compile(r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,253}\.[A-Za-z]{2,24}\b")
_IP: Final = re.compile(
    r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d)"
    r"|(?<![\w.:])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4})(?![\w:])"
)
_KEY: Final = (
    r"(?:[\w-]{0,40}(?:token|secret|(?:api|access|secret|private)[_-]?key|password|passwd|pwd)"
    r"|authorization|bearer|session(?:[_-]?id)?|set-cookie|cookie|credentials?)"
)
_TOKEN: Final = re.compile(
    r"-----BEGIN [A-Z ]{1,40}KEY-----[^-]{0,8000}(?:-----END [A-Z ]{1,40}KEY-----)?"
    r"|\beyJ[\w-]{5,4000}\.[\w-]{5,4000}(?:\.[\w-]{0,2000})?"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_\w{20,255}|\bxox[abprs]-[\w-]{10,255}|\bsk-[\w-]{16,255}"
    r"|(?<=://)[^\s/@:]{1,255}:[^\s/@]{1,255}(?=@)"
    rf"|(?i:\b{_KEY}[\"']?\s{{0,3}}[=:]\s{{0,3}}(?:bearer\s{{1,3}}|basic\s{{1,3}})?[\"']?[^\s\"',;&<>]{{4,4000}})"
    r"|(?i:\b(?:bearer|basic)\s{1,3}[\w.~+/=-]{8,4000})"
)
_KEYED: Final = re.compile(r"(?is)\A([\w-]{1,60}[\"']?\s{0,3}[=:]\s{0,3}(?:bearer\s{1,3}|basic\s{1,3})?[\"']?)(.+)\Z")

KINDS: Final[dict[str, re.Pattern[str]]] = {"email": _EMAIL, "ip": _IP, "token": _TOKEN}
"""What can be named."""


class Redactor:
    """Puts `[ip-1]`, `[email-2]` … in place of what must not be seen: the same again for the same text.

    Call it with a text. What it does is as good as its patterns: what they do not know stays.
    """

    def __init__(self, redact: Redact) -> None:
        self._kinds = _kinds(redact)
        self._names: dict[tuple[str, str], str] = {}
        self.counts: dict[str, int] = {kind: 0 for kind, _ in self._kinds}

    def __call__(self, text: str) -> str:
        for kind, pattern in self._kinds:
            text = pattern.sub(self._named(kind), text)
        return text

    def sentence(self) -> str:
        """What was done, for the reader."""
        if not self._kinds:
            return "Nothing was redacted."
        done = ", ".join(f"{count:,} {kind}" if count else f"no {kind}" for kind, count in self.counts.items())
        return f"Redacted in log text, by kind: {done}. Equal texts have equal numbers."

    def _named(self, kind: str) -> Callable[[re.Match[str]], str]:
        def name(found: re.Match[str]) -> str:
            kept, secret = "", found[0]
            in_url = found.string.endswith("://", 0, found.start())
            if kind == "ip" and not _is_address(secret):
                return secret
            if kind == "token" and not in_url and (keyed := _KEYED.match(secret)):
                kept, secret = keyed[1], keyed[2]
            if not secret or re.fullmatch(r"\[\w+-\d+\]", secret):
                return found[0]
            self.counts[kind] += 1
            seen = self._names.setdefault((kind, secret), f"[{kind}-{self._next(kind)}]")
            return kept + seen

        return name

    def _next(self, kind: str) -> int:
        return sum(known == kind for known, _ in self._names) + 1


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return text != "::"


def _kinds(redact: Any) -> list[tuple[str, re.Pattern[str]]]:
    if redact is True:
        return list(KINDS.items())
    one_alone = isinstance(redact, str | re.Pattern) or not isinstance(redact, Iterable)
    given = () if redact in (False, None) else (redact,) if one_alone else tuple(redact)
    found = []
    for one in given:
        near = get_close_matches(one.lower(), KINDS, n=1) if isinstance(one, str) and one not in KINDS else []
        if near:  # a slip of the pen would leave everything in place
            raise SettingError(
                f"expected redact as {', '.join(map(repr, KINDS))} or a regular expression, found {one!r}; "
                f"try {near[0]!r}, or {f'(?:{one})'!r} for that word",
                setting="redact",
                value=one,
            )
        if isinstance(one, str) and one in KINDS:
            found.append((one, KINDS[one]))
            continue
        try:
            found.append(("redacted", re.compile(one)))
        except (re.error, TypeError) as error:
            raise SettingError(
                f"expected redact as {', '.join(map(repr, KINDS))} or a regular expression, found {one!r}: {error}; "
                "try redact=True",
                setting="redact",
                value=one,
            ) from error
    # Custom patterns first, as they know their logs best; addresses before secrets would tear those apart.
    order = {"redacted": 0, "token": 1, "email": 2, "ip": 3}
    return sorted(found, key=lambda kind: order[kind[0]])
