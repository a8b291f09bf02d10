"""Logs of any size, the same for the same seed: logback, combined access and JSON lines."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

KINDS: Final = ("logback", "access", "json")
PIECES: Final = 4

_CHUNK_LINES = 250_000
_START_US = 1_772_366_400_000_000  # 2026-03-01 12:00 UTC
_LEVELS = ("INFO", "DEBUG", "WARN", "ERROR")
_LEVEL_SHARES = (0.82, 0.10, 0.05, 0.03)
_LOGGERS = {
    "gateway": "c.e.gateway.RouteService",
    "orders": "c.e.orders.OrderService",
    "payments": "c.e.payments.CardClient",
    "inventory": "c.e.inventory.StockLedger",
    "auth": "c.e.auth.TokenFilter",
    "search": "c.e.search.QueryPlanner",
    "mailer": "c.e.mailer.TemplateEngine",
    "catalog": "c.e.catalog.PriceCache",
}
_MESSAGES = (
    ("accepted order ", " for the customer's cart"),
    ("finished request ", " without any warning"),
    ("took entry ", " from the local cache"),
    ("wrote row ", " and committed the transaction"),
    ("lost the connection of session ", ", will retry"),
    ("no answer for call ", " after two attempts"),
)
_PATHS = ("/api/orders/", "/api/users/", "/static/app.js?v=", "/search?q=", "/cart/items/")
_AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:147.0) Gecko/20100101 Firefox/147.0",
    "curl/8.14.1",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_2 like Mac OS X) AppleWebKit/605.1.15 Version/19.2 Safari/604.1",
)
_STATUSES = (200, 204, 301, 404, 500)
_STATUS_SHARES = (0.85, 0.05, 0.03, 0.05, 0.02)


@dataclass(frozen=True, slots=True)
class Sample:
    """One log, whole and cut in pieces, and the truth about it: events per (service, level)."""

    kind: str
    lines: int
    whole: Path
    pieces: tuple[Path, ...]
    counts: dict[str, dict[str, int]]

    @property
    def size_bytes(self) -> int:
        return self.whole.stat().st_size


def sample(kind: str, lines: int, folder: Path, *, seed: int = 1) -> Sample:
    """The log of that kind and size, taken from `folder` if it has been made there before."""
    home = folder / f"{kind}-{lines}-{seed}"
    whole = home / f"{kind}.log"
    pieces = tuple(home / "pieces" / f"{kind}-{number}.log" for number in range(1, PIECES + 1))
    truth = home / "counts.json"
    if not truth.is_file():
        (home / "pieces").mkdir(parents=True, exist_ok=True)
        truth.write_text(json.dumps(_write(kind, lines, whole, pieces, seed)))
    return Sample(kind, lines, whole, pieces, json.loads(truth.read_text()))


def _write(kind: str, lines: int, whole: Path, pieces: tuple[Path, ...], seed: int) -> dict[str, dict[str, int]]:
    rng = np.random.default_rng(seed)
    start_us, counts = _START_US, []
    step = min(_CHUNK_LINES, -(-lines // PIECES))
    with whole.open("wb") as out:
        for first in range(0, lines, step):
            frame, start_us = _chunk(kind, min(step, lines - first), start_us, rng)
            counts.append(frame.group_by("service", "level").len())
            text = frame["line"].str.join("\n").item().encode() + b"\n"
            out.write(text)
            with pieces[first * PIECES // lines].open("ab") as piece:
                piece.write(text)
    total = pl.concat(counts).group_by("service", "level").agg(pl.col("len").sum()).sort("service", "level")
    result: dict[str, dict[str, int]] = {}
    for service, level, number in total.iter_rows():
        result.setdefault(service, {})[level] = number
    return result


def _chunk(kind: str, size: int, start_us: int, rng: np.random.Generator) -> tuple[pl.DataFrame, int]:
    """`size` lines as a frame of service, level and line, and the time at which the next chunk starts."""
    steps = rng.integers(0, 5000, size) // 1000 * 1000
    stamps = start_us + np.cumsum(steps)
    frame = pl.DataFrame(
        {
            "time": pl.Series(stamps).cast(pl.Datetime("us")),
            "number": rng.integers(100_000, 10_000_000, size),
            "thread": rng.integers(1, 33, size),
            "micros": rng.integers(300, 2_000_000, size),
            "service": _pick(rng, tuple(_LOGGERS), size),
            "level": _pick(rng, _LEVELS, size, _LEVEL_SHARES),
            "status": _pick(rng, tuple(map(str, _STATUSES)), size, _STATUS_SHARES),
            "path": _pick(rng, _PATHS, size),
            "agent": _pick(rng, _AGENTS, size),
            "message": _pick(rng, tuple("\t".join(pair) for pair in _MESSAGES), size),
        }
    ).with_columns(
        pl.col("service").replace_strict(_LOGGERS).alias("logger"),
        pl.col("message").str.replace("\t", pl.col("number").cast(pl.String), literal=True),
    )
    return _LINES[kind](frame).select("service", "level", "line"), int(stamps[-1])


def _pick(
    rng: np.random.Generator, among: tuple[str, ...], size: int, shares: tuple[float, ...] | None = None
) -> pl.Series:
    return pl.Series(among)[rng.choice(len(among), size, p=shares)]


def _logback(frame: pl.DataFrame) -> pl.DataFrame:
    """`2026-03-01 12:00:00,001 INFO  [gateway] [exec-7] c.e.gateway.RouteService - accepted order 123456 …`"""
    return frame.with_columns(
        pl.format(
            "{} {} [{}] [exec-{}] {} - {}",
            pl.col("time").dt.strftime("%Y-%m-%d %H:%M:%S,%3f"),
            pl.col("level").str.pad_end(5),
            *("service", "thread", "logger", "message"),
        ).alias("line")
    )


def _access(frame: pl.DataFrame) -> pl.DataFrame:
    """Combined log format; the service is the file's name, the level the status'."""
    status = pl.col("status").cast(pl.Int64)
    level = pl.when(status >= 500).then(pl.lit("ERROR")).when(status >= 400).then(pl.lit("WARN"))
    return frame.with_columns(
        pl.lit("access").alias("service"),
        level.otherwise(pl.lit("INFO")).alias("level"),
        pl.format(
            '10.4.{}.{} - - [{}] "GET {}{} HTTP/1.1" {} {} "-" "{}"',
            *("thread", "thread", pl.col("time").dt.strftime("%d/%b/%Y:%H:%M:%S +0000")),
            *("path", "number", "status", "micros", "agent"),
        ).alias("line"),
    )


def _json(frame: pl.DataFrame) -> pl.DataFrame:
    """One object per line, with a few fields more than anybody asks for."""
    fields = pl.struct(
        pl.col("time").dt.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").alias("timestamp"),
        *("level", "service", "logger", "message"),
        (pl.col("micros") / 1000).alias("duration_ms"),
        pl.format("exec-{}", "thread").alias("thread"),
    )
    return frame.with_columns(fields.struct.json_encode().alias("line"))


_LINES = {"logback": _logback, "access": _access, "json": _json}
