"""Record bytes -> columns: what a format is, the catalogue, detection, times and levels."""

from __future__ import annotations

from logkit.formats.base import Format, Parsed, TimeRules
from logkit.formats.catalog import catalog, named
from logkit.formats.detect import candidates, detect, is_binary, prepare
from logkit.formats.jsonlines import JsonLines
from logkit.formats.logfmt import Logfmt
from logkit.formats.plain import Plain
from logkit.formats.regex import Regex
from logkit.formats.template import Template

__all__ = [
    "Format",
    "JsonLines",
    "Logfmt",
    "Parsed",
    "Plain",
    "Regex",
    "Template",
    "TimeRules",
    "candidates",
    "catalog",
    "detect",
    "is_binary",
    "named",
    "prepare",
]
