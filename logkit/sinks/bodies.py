"""Parcels as the bodies of requests: NDJSON, OTLP, Loki and Elasticsearch's bulk. The same rows give the same bytes.

Sources: the JSON encoding of OTLP 1.x (opentelemetry.io/docs/specs/otlp), Loki's push API and Elasticsearch's `_bulk`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from logkit import schema
from logkit.sinks.jsontext import joined, member, text, value
from logkit.sinks.protocol import Parcel
from logkit.sources.service import shown

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"

_SEVERITY: Final = {"TRACE": 1, "DEBUG": 5, "INFO": 9, "WARN": 13, "ERROR": 17, "FATAL": 21}
_ALWAYS: Final = ("timestamp", "level", "service", "message", "file", "offset", "generation")
_SOMETIMES: Final = ("continues", "rejected", "reason", "text")


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent: `items` are the lines of a bulk request, one per row, of which some may have to be sent again."""

    content_type: str
    data: bytes
    items: pl.Series | None = None


def ndjson(parcel: Parcel) -> Body:
    """One object per line: timestamp (ISO 8601, UTC), level, service, message, file, offset, generation, own fields."""
    return Body(NDJSON, _documents(parcel).write_ndjson().encode())


def elasticsearch(parcel: Parcel, index: str) -> Body:
    """For `_bulk`: each row is created under an id made of its source, generation and offset, so never twice."""
    documents = _documents(parcel).rename({"timestamp": "@timestamp"})
    lines = pl.Series(documents.write_ndjson().splitlines(), dtype=pl.String)
    action = '{"create":{"_index":' + text(index) + ',"_id":' + text(f"{parcel.source}-{parcel.generation}-")[:-1]
    items = pl.select(pl.concat_str(pl.lit(action), documents["offset"], pl.lit('"}}\n'), lines)).to_series()
    return bulk(items)


def bulk(items: pl.Series) -> Body:
    """A bulk request of these items."""
    return Body(NDJSON, "".join(f"{item}\n" for item in items.to_list()).encode(), items)


def otlp(parcel: Parcel) -> Body:
    """An ExportLogsServiceRequest in OTLP's JSON, a resource per service."""
    frame, own = _frame(parcel)
    ids = {"trace_id": ("traceId", 32), "span_id": ("spanId", 16)}
    hexes = {name: pl.col(name).str.contains(rf"^[0-9a-fA-F]{{{ids[name][1]}}}$") for name in ids if name in own}
    attributes = []
    for name in ("file", "offset", *own):
        label = {"file": "log.file.path", "offset": "log.record.offset"}.get(name, name)
        there = pl.col(name).is_not_null()
        if name in hexes:
            there = there & ~hexes[name]
        typed = joined([member(*_any_value(name, frame.schema[name]))], "{", "}")
        attributes.append(
            pl.when(there).then(joined([member("key", pl.lit(text(label))), member("value", typed)], "{", "}"))
        )
    known = pl.col("timestamp").is_not_null()
    nanoseconds = pl.concat_str(pl.lit('"'), pl.col("timestamp").dt.epoch("us"), pl.lit('000"'))
    rank = pl.col("level").cast(pl.String).replace_strict(_SEVERITY, default=None, return_dtype=pl.Int64)
    record = joined(
        [
            member("timeUnixNano", nanoseconds, known),
            member("observedTimeUnixNano", pl.lit(f'"{parcel.reference_us}000"'), ~known),
            member("severityNumber", rank.cast(pl.String), rank.is_not_null()),
            member("severityText", value("level"), rank.is_not_null()),
            member(
                "body", joined([member("stringValue", value("message"))], "{", "}"), pl.col("message").is_not_null()
            ),
            member("attributes", joined(attributes, "[", "]")),
            *(
                member(ids[name][0], pl.col(name).str.to_lowercase().pipe(_in_quotes), is_id)
                for name, is_id in hexes.items()
            ),
        ],
        "{",
        "}",
    )
    groups = _grouped(frame.select("service", record.alias("record"), value("service").alias("name")), ["service"])
    resources = [
        '{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":' + group["name"][0] + "}}]},"
        '"scopeLogs":[{"scope":{"name":"logkit"},"logRecords":[' + ",".join(group["record"]) + "]}]}"
        for group in groups
    ]
    return Body(JSON, ('{"resourceLogs":[' + ",".join(resources) + "]}").encode())


def loki(parcel: Parcel) -> Body:
    """For `/loki/api/v1/push`: a stream per service and level, the other fields as structured metadata.

    A record without a time gets that of the one before it, as Loki takes none without.
    """
    frame, own = _frame(parcel)
    time = pl.col("timestamp").dt.epoch("us").forward_fill().backward_fill().fill_null(parcel.reference_us)
    facts = [member(name, value(f"{name} text"), pl.col(name).is_not_null()) for name in ("file", *own)]
    frame = frame.with_columns(_as_text(name, frame.schema[name]).alias(f"{name} text") for name in ("file", *own))
    message = value("message").replace("null", '""')
    entry = joined([pl.concat_str(time, pl.lit("000")).pipe(_in_quotes), message, joined(facts, "{", "}")], "[", "]")
    level = pl.col("level").cast(pl.String).str.to_lowercase().fill_null("unknown")
    rows = frame.select("service", level.alias("level"), entry.alias("entry"), value("service").alias("name"))
    streams = [
        '{"stream":{"service_name":' + group["name"][0] + ',"level":' + text(group["level"][0]) + "},"
        '"values":[' + ",".join(group["entry"]) + "]}"
        for group in _grouped(rows, ["service", "level"])
    ]
    return Body(JSON, ('{"streams":[' + ",".join(streams) + "]}").encode())


def _frame(parcel: Parcel) -> tuple[pl.DataFrame, list[str]]:
    """The rows with file and generation, and the names of the own fields that any of them has, in alphabetical order.

    Which columns a frame has depends on rows that were read beside these, and must not show.
    """
    frame = parcel.frame
    own = sorted(
        n for n in frame.columns if n not in (*schema.COMMON, *_ALWAYS) and frame[n].null_count() < frame.height
    )
    frame = frame.with_columns(file=pl.lit(shown(parcel.path)), generation=pl.lit(parcel.generation, pl.Int64))
    return frame, own


def _documents(parcel: Parcel) -> pl.DataFrame:
    frame, own = _frame(parcel)
    some = [name for name in _SOMETIMES if frame[name].null_count() < frame.height]
    if "rejected" in some and not frame["rejected"].any():
        some.remove("rejected")
    return frame.select(*_ALWAYS, *some, *own)


def _grouped(frame: pl.DataFrame, by: list[str]) -> list[pl.DataFrame]:
    return frame.partition_by(by, maintain_order=True)


def _in_quotes(written: pl.Expr) -> pl.Expr:
    return pl.concat_str(pl.lit('"'), written, pl.lit('"'))


def _as_text(name: str, dtype: pl.DataType) -> pl.Expr:
    return value(name) if dtype.is_nested() else pl.col(name).cast(pl.String)


def _any_value(name: str, dtype: pl.DataType) -> tuple[str, pl.Expr]:
    """OTLP's AnyValue: which of its members, and that one's value."""
    if dtype.is_integer():
        return "intValue", _in_quotes(pl.col(name).cast(pl.String))
    if dtype.is_float():
        special = pl.when(pl.col(name).is_finite()).then(value(name)).otherwise(_in_quotes(_non_finite(name)))
        return "doubleValue", special
    if dtype == pl.Boolean:
        return "boolValue", value(name)
    if dtype.is_nested():
        return "stringValue", pl.struct(value(name).alias("v")).struct.json_encode().str.slice(5).str.head(-1)
    return "stringValue", value(name)


def _non_finite(name: str) -> pl.Expr:
    column = pl.col(name)
    return (
        pl.when(column.is_nan())
        .then(pl.lit("NaN"))
        .when(column > 0)
        .then(pl.lit("Infinity"))
        .otherwise(pl.lit("-Infinity"))
    )
