"""HTTP as a sink, against a server that misbehaves on purpose."""

from __future__ import annotations

import base64
import json
import logging
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import logkit
from logkit.errors import PathError, SettingError, SinkError
from tests.scenario_tools import DEADLINE, Scene, eventually, read
from tests.servers import Handler, Misbehaving, Request, Server, serving

pytestmark = pytest.mark.usefixtures("no_thread_left_behind")

SECRETS = ("tok-in-query", "user-in-url", "pass-in-url", "bearer-in-header", "key-in-header")


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "logs")


def sink(server: Server, tmp_path: Path, format: Any = "ndjson", **given: Any) -> logkit.sinks.Http:
    quick = {"journal": tmp_path / "journal", "retry_seconds": 0.005, "parcel_events": 500} | given
    return logkit.sinks.Http(server.url, format, **quick)


def came(server: Server) -> Counter[str]:
    """The messages, once per key."""
    bodies = server.bodies().values()
    return Counter(json.loads(line)["message"] for body in bodies for line in body.splitlines())


def test_every_line_is_there_once_after_removing_equal_keys(scene: Scene, tmp_path: Path) -> None:
    scene.write(20_000)
    behave = Misbehaving(seed=3, slow_seconds=0.02)
    with serving(behave) as server:
        read(scene.folder, sinks=[sink(server, tmp_path)])
        assert came(server) == Counter(scene.written)
        assert {"429", "500", "reset", "half", "longer", "slow"} <= behave.counts.keys()
        assert len(server.taken) > len(server.bodies())  # some did come twice
        scene.write(10)
        read(scene.folder, sinks=[sink(server, tmp_path)])
        assert came(server) == Counter(scene.written)


def test_what_was_promised_is_sent_alike_after_a_restart(scene: Scene, tmp_path: Path) -> None:
    scene.write(3_000)
    seen: list[Request] = []

    def refuse(handler: Handler, request: Request) -> None:
        seen.append(request)
        handler.accept(request)  # it has arrived, but nobody hears of it
        handler.reset()

    with serving(refuse) as server:
        given = sink(server, tmp_path, attempts=1, patience_seconds=0.01)
        with pytest.raises(SinkError, match="events were not sent, and the same call sends them"):
            read(scene.folder, sinks=[given])
        scene.write(100)
        server.behave = lambda handler, request: handler.take(request)
        # cut otherwise by these limits, had it not been promised
        read(scene.folder, sinks=[sink(server, tmp_path, parcel_events=70)], block_bytes=50_000)
        assert {request.key for request in seen} <= {request.key for request in server.requests[len(seen) :]}
        assert came(server) == Counter(scene.written)


def test_retry_after_is_kept_and_attempts_are_limited(scene: Scene, tmp_path: Path) -> None:
    scene.write(1)
    times: list[float] = []

    def busy(handler: Handler, request: Request) -> None:
        times.append(time.monotonic())
        if len(times) < 3:
            handler.answer(429, b"", Retry_After="1" if len(times) == 1 else "0")
        else:
            handler.take(request)

    with serving(busy) as server:
        read(scene.folder, sinks=[sink(server, tmp_path)])
    assert times[1] - times[0] >= 1.0
    assert times[2] - times[1] < 0.5


def test_a_4xx_is_set_aside_and_redelivered(scene: Scene, tmp_path: Path) -> None:
    scene.write(1_000)
    letters = tmp_path / "journal.dead-letters"
    with serving(lambda handler, request: handler.answer(400, b"no such field")) as server:
        snap = read(scene.folder, sinks=[sink(server, tmp_path)])
        assert snap.sinks["dead_letters"].to_list() == [2]
        letter = json.loads(letters.read_text().splitlines()[0])
        assert (letter["status"], letter["reason"], letter["events"]) == (400, "no such field", 500)
        assert logkit.sinks.redeliver(letters).left == 2
        server.behave = lambda handler, request: handler.take(request)
        done = logkit.sinks.redeliver(letters)
        assert (done.sent, done.left) == (2, 0)
        assert came(server) == Counter(scene.written)
        assert not letters.exists()
        server.behave = lambda handler, request: handler.answer(400)
        read(scene.folder, sinks=[sink(server, tmp_path)])  # nothing is sent anew
        assert not letters.exists()
    with pytest.raises(PathError):
        logkit.sinks.redeliver(tmp_path / "nothing")


def test_redeliver_keeps_what_does_not_arrive(scene: Scene, tmp_path: Path) -> None:
    scene.write(600)
    letters = tmp_path / "journal.dead-letters"
    with serving(lambda handler, request: handler.answer(404)) as server:
        read(scene.folder, sinks=[sink(server, tmp_path)])
        before = sorted(letters.read_text().splitlines())
        server.behave = lambda handler, request: handler.reset()
        with pytest.raises(SinkError, match="to take what it is sent"):
            logkit.sinks.redeliver(letters, to=sink(server, tmp_path, attempts=1))
        assert sorted(letters.read_text().splitlines()) == before


def test_a_bulk_request_taken_in_part_sends_only_the_rest(scene: Scene, tmp_path: Path) -> None:
    scene.write(10)
    rows: dict[str, str] = {}
    sizes: list[int] = []

    def bulk(handler: Handler, request: Request) -> None:
        lines = request.body.decode().splitlines()
        pairs = list(zip(lines[::2], lines[1::2], strict=True))
        sizes.append(len(pairs))
        items = []
        for at, (action, document) in enumerate(pairs):
            create = json.loads(action)["create"]
            assert create["_index"] == "logs"
            number = int(json.loads(document)["message"].strip("number <>"))
            status = 400 if number == 3 else 429 if len(sizes) == 1 and at % 2 else 201
            if create["_id"] in rows:
                status = 409
            if status == 201:
                rows[create["_id"]] = json.loads(document)["message"]
            items.append({"create": {"status": status, "error": {"reason": f"status {status}"}}})
        handler.answer(
            200, json.dumps({"errors": any(i["create"]["status"] > 201 for i in items), "items": items}).encode()
        )

    with serving(bulk) as server:
        snap = read(scene.folder, sinks=[sink(server, tmp_path, "elasticsearch")])
    assert sizes == [10, 4]  # 1, 5, 7 and 9 again; 3 was refused for good
    assert sorted(rows.values()) == sorted(set(scene.written) - {"number <3>"})
    assert snap.sinks["dead_letters"].to_list() == [1]
    letter = json.loads((tmp_path / "journal.dead-letters").read_text())
    assert '"number <3>"' in letter["body"]
    assert "status 400" in letter["reason"]


MIXED = (
    '{"time":"2026-03-01T00:00:00.123456Z","level":"error","service":"a","message":"one \\" \\u0000 é",'
    '"trace_id":"0af7651916cd43dd8448eb211c80319c","span_id":"b7ad6b7169203331","status":500,"duration_ms":1.5}\n'
    '{"level":"info","service":"b","message":"without a time","trace_id":"not an id"}\n'
    '{"time":"2026-03-01T00:00:01Z","level":"warn","service":"a","message":"two\\nlines"}\n'
)


def test_otlp_is_what_opentelemetry_takes(tmp_path: Path) -> None:
    json_format = pytest.importorskip("google.protobuf.json_format")
    service = pytest.importorskip("opentelemetry.proto.collector.logs.v1.logs_service_pb2")
    log = tmp_path / "x.json"
    log.write_text(MIXED)
    with serving() as server:
        read(log, sinks=[sink(server, tmp_path, "otlp")])
        (request,) = server.taken
    assert request.headers["content-type"] == "application/json"
    told = json.loads(request.body)
    for resource in told["resourceLogs"]:
        for record in resource["scopeLogs"][0]["logRecords"]:
            for name in ("traceId", "spanId"):  # hexadecimal in OTLP's JSON, base64 in protobuf's own
                if name in record:
                    record[name] = base64.b64encode(bytes.fromhex(record[name])).decode()
    message = json_format.ParseDict(told, service.ExportLogsServiceRequest())  # unknown fields are errors
    services = {
        resource.resource.attributes[0].value.string_value: list(resource.scope_logs[0].log_records)
        for resource in message.resource_logs
    }
    one, two = services["a"]
    (three,) = services["b"]
    assert one.time_unix_nano == 1_772_323_200_123_456_000
    assert (one.severity_number, one.severity_text, one.body.string_value) == (17, "ERROR", 'one " \0 é')
    assert one.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert one.span_id.hex() == "b7ad6b7169203331"
    facts = {attribute.key: attribute.value for attribute in one.attributes}
    assert (facts["status"].int_value, facts["duration_ms"].double_value) == (500, 1.5)
    assert facts["log.file.path"].string_value == str(log)
    assert two.body.string_value == "two\nlines"
    assert {attribute.key for attribute in two.attributes} == {"log.file.path", "log.record.offset"}
    assert three.time_unix_nano == 0
    assert three.observed_time_unix_nano > 0
    assert three.trace_id == b""
    assert {a.key: a.value.string_value for a in three.attributes}["trace_id"] == "not an id"


def test_loki_gets_a_stream_per_service_and_level(tmp_path: Path) -> None:
    log = tmp_path / "x.json"
    log.write_text(MIXED)
    with serving() as server:
        read(log, sinks=[sink(server, tmp_path, "loki")])
        (request,) = server.taken
    streams = {tuple(s["stream"].values()): s["values"] for s in json.loads(request.body)["streams"]}
    assert streams.keys() == {("a", "error"), ("b", "info"), ("a", "warn")}
    (first,) = streams["a", "error"]
    assert first[:2] == ["1772323200123456000", 'one " \0 é']
    assert first[2]["status"] == "500"
    assert streams["b", "info"][0][0] == "1772323200123456000"  # that of the record before


def test_secrets_are_seen_nowhere(scene: Scene, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    scene.write(600)
    caplog.set_level(logging.DEBUG)
    heard: list[dict[str, str]] = []

    def echo(handler: Handler, request: Request) -> None:
        heard.append(request.headers | {"path": request.path})
        told = f"{request.path} {request.headers}".encode()  # a server that repeats what it was sent
        handler.answer(500 if len(heard) < 4 else 422, told)

    with serving(echo) as server:
        url = server.url.replace("http://", "http://user-in-url:pass-in-url@") + "?token=tok-in-query"
        headers = {"Authorization": "Bearer bearer-in-header", "X-Key": "key-in-header"}
        given = logkit.sinks.Http(
            url, headers=headers, journal=tmp_path / "journal", retry_seconds=0.005, attempts=2, parcel_events=500
        )
        store = tmp_path / "store.duckdb"
        with scene.watch(sinks=[given], store=store, retry_seconds=0.01) as monitor:
            assert monitor.wait_idle(DEADLINE)
            snap = monitor.snapshot()
            seen = [repr(given), repr(monitor), repr(snap.capture), snap.sinks.to_string(), snap.threads.to_string()]
            seen.append(repr(monitor.stop()))
    assert snap.sinks["failures"][0] > 0
    assert snap.sinks["dead_letters"][0] > 0
    assert heard[0]["authorization"] == "Bearer bearer-in-header"
    assert heard[0]["path"].endswith("?token=tok-in-query")
    seen += [caplog.text, *(path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file())]
    for text in seen:
        for secret in SECRETS:
            assert secret not in text


def test_a_server_that_hangs_does_not_hold_up_the_stop(scene: Scene, tmp_path: Path) -> None:
    scene.write(100)
    release = threading.Event()
    with serving(lambda handler, request: release.wait(DEADLINE) and handler.take(request)) as server:
        monitor = scene.watch(sinks=[sink(server, tmp_path, timeout_seconds=0.3)])
        eventually(monitor, lambda _: bool(server.requests))
        began = time.monotonic()
        result = monitor.stop(1.0)
        assert time.monotonic() - began < 1.5
        release.set()
        assert result.alive == ()
        assert result.left[0].startswith("http: ")
        assert "not sent" in repr(result)


@pytest.mark.parametrize(
    "given", [{"url": "ftp://x"}, {"url": "x"}, {"format": "xml"}, {"concurrency": 0}, {"name": "a/b"}]
)
def test_settings_that_cannot_work_say_so(given: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match="expected"):
        logkit.sinks.Http(**({"url": "http://127.0.0.1/x"} | given))


@pytest.mark.parametrize("headers", [{"X": "secret\n"}, {"a b": "secret"}, {"X": "secret\u20ac"}, {"X": 7}])
def test_headers_that_cannot_be_sent_are_refused_without_telling_them(headers: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match="expected headers=") as told:
        logkit.sinks.Http("http://127.0.0.1/x", headers=headers)
    assert "secret" not in str(told.value)


def test_without_a_journal_or_a_store_it_says_so(scene: Scene) -> None:
    scene.write(1)
    with pytest.raises(SettingError, match=r'try journal="http\.journal"'):
        read(scene.folder, sinks=[logkit.sinks.Http("http://127.0.0.1:1/x")])
