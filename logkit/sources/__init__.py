"""From paths to batches: what files there are, who they are, and reading them a span at a time."""

from logkit.sources.batches import Batch, read_span
from logkit.sources.discovery import Found, Roots, Skipped
from logkit.sources.identity import Identity, identify
from logkit.sources.service import ServiceRule
from logkit.sources.span import ReadOptions, Span, common, complement, cut, include

__all__ = [
    "Batch",
    "Found",
    "Identity",
    "ReadOptions",
    "Roots",
    "ServiceRule",
    "Skipped",
    "Span",
    "common",
    "complement",
    "cut",
    "identify",
    "include",
    "read_span",
]
