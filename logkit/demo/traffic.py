"""An hour of a small shop, as values: visitors at the gateway, what services say by themselves, and the story.

Nothing is written here: `simulate` gives the records of all services in time order.
"""

from __future__ import annotations

import math
import random
from datetime import datetime, timedelta
from typing import Final

from logkit.demo import lines
from logkit.demo.services import Answer, Record, Request, Shop
from logkit.demo.stories import Story

_AGENTS: Final = (
    "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
    "Mozilla/5.0 (Macintosh) Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0) Chrome/141.0",
    "ShopApp/5.2 (Android 15)",
    "ShopApp/5.1 (iOS 18.3)",
)
_CATEGORIES: Final = ("books", "garden", "kitchen", "lamps", "music", "tools", "toys")
_WORDS: Final = ("lamp", "teapot", "atlas", "oak+table", "violin", "hammer", "puzzle", "kettle")
_SCANS: Final = ("/.env", "/wp-login.php", "/admin/config.php", "/.git/config")
_KINDS: Final = ("product", "browse", "search", "login", "account", "checkout", "order", "scan")
_PARTS: Final = (34, 18, 9, 9, 7, 13, 9, 1)
"""Of a hundred requests, how many are of each kind."""

_PER_MINUTE_SQL: Final = "SELECT date_trunc('minute', placed_at) AS minute,\n       count(*)\nFROM payments\nGROUP BY 1"


def simulate(
    story: Story, rng: random.Random, start: datetime, seconds: float, requests_per_second: float
) -> list[Record]:
    """Every record of `seconds` of traffic from `start` (UTC) on, in time order, the story within."""
    shop = Shop(story, rng, start, seconds)
    swing = rng.uniform(0, math.tau)
    t = rng.expovariate(requests_per_second)
    while t < seconds:
        _visit(shop, t)
        day = 1 + 0.3 * math.sin(math.tau * t / seconds + swing) + 0.1 * math.sin(math.tau * t / 420)
        t += rng.expovariate(requests_per_second * day)
    _routine(shop, seconds)
    shop.tell()
    close = start + timedelta(seconds=seconds)
    return sorted((record for record in shop.records if record.at < close), key=lambda record: record.at)


def _visit(shop: Shop, t: float) -> None:
    """One request of a visitor, from the gateway down and back."""
    rng = shop.rng
    (kind,) = rng.choices(_KINDS, _PARTS)
    method, path = _endpoint(shop, kind)
    request = Request(
        trace=f"{rng.getrandbits(128):032x}",
        path=f"{method} {path.removeprefix('/api').partition('?')[0]}",
        product=int(path.rsplit("/", 1)[-1]) if kind == "product" else 0,
        user=f"u{rng.randrange(1000, 1400)}",
        client=rng.choice(("192.0.2.", "198.51.100.", "203.0.113.")) + str(rng.randrange(10, 250)),
    )
    answer, denied = _route(shop, kind, t, request)
    end = answer.end + 0.001
    status = _status(shop, kind, answer, denied, end - t)
    size = rng.randrange(300, 9000) if status < 300 else rng.randrange(90, 200)
    agent = "curl/8.17.0" if kind == "scan" else rng.choice(_AGENTS)
    _answered(shop, f"{method} {path}", request, status, size, agent, t, end, answer.fault)


def _answered(
    shop: Shop, asked: str, request: Request, status: int, size: int, agent: str, t: float, end: float, fault: bool
) -> None:
    """The gateway's own line: it is written when the answer has gone out."""
    at = shop.start + timedelta(seconds=end)
    level = "ERROR" if status >= 500 else "WARN" if status >= 400 else "INFO"
    line = lines.access(at, request.client, f"{asked} HTTP/1.1", status, size, agent, end - t, request.trace)
    shop.records.append(Record(at, "gateway", level, line, fault))


def _endpoint(shop: Shop, kind: str) -> tuple[str, str]:
    """The method and path of a kind of request."""
    rng = shop.rng
    match kind:
        case "product":
            return "GET", f"/api/products/{min(999, int(rng.paretovariate(0.6)))}"
        case "browse":
            return "GET", f"/api/products?category={rng.choice(_CATEGORIES)}&page={rng.randrange(1, 9)}"
        case "search":
            return "GET", f"/api/search?q={rng.choice(_WORDS)}"
        case "checkout":
            return "POST", "/api/orders"
        case "order":
            return "GET", f"/api/orders/{shop.orders - rng.randrange(0, 400)}"
        case "login":
            return "POST", "/api/login"
        case "account":
            return "GET", "/api/account"
        case _:
            return "GET", rng.choice(_SCANS)


def _route(shop: Shop, kind: str, t: float, request: Request) -> tuple[Answer, bool]:
    """Call the services this kind of request needs; the second value says that auth turned it away."""
    if kind == "scan":
        return Answer(False, t), False
    if kind == "search":
        statement = "SELECT id FROM inventory WHERE words @@ plainto_tsquery($1) LIMIT 20"
        return shop.catalog(t, request, statement), False
    if kind in ("product", "browse"):
        where = f"product_id = {request.product}" if kind == "product" else "category_id = $1 LIMIT 24"
        return shop.catalog(t, request, f"SELECT * FROM inventory WHERE {where}"), False
    known = shop.auth(t, request, "login" if kind == "login" else "token")
    if kind in ("login", "account") or not known.ok:
        return known, not known.ok
    serve = shop.place_order if kind == "checkout" else shop.show_order
    return serve(known.end, request), False


def _status(shop: Shop, kind: str, answer: Answer, denied: bool, seconds: float) -> int:
    """What the gateway answers: 504 from four seconds on, 503 without auth, 502 for a service that fails sooner."""
    if answer.fault:
        return 504 if seconds >= 4 else 503 if denied else 502
    if answer.ok:
        return 499 if shop.rng.random() < 0.002 else 201 if kind == "checkout" else 200
    return {"scan": 404, "login": 401, "account": 401, "checkout": 402}.get(kind, 500)


def _routine(shop: Shop, seconds: float) -> None:
    """Probes, checkpoints and gauges: what is said whether anybody asks or not."""
    rng = shop.rng
    for t in _every(10, seconds, rng):
        probe = Request(f"{rng.getrandbits(128):032x}", "GET /healthz", 0, "", "192.0.2.2")
        _answered(shop, "GET /healthz", probe, 200, 15, "kube-probe/1.33", t, t + 0.001, False)
    for t in _every(60, seconds, rng):
        shop.say("orders", t, "INFO", f"Heap {shop.heap(t)} of 2048 MiB in use, 20 worker threads")
        shop.say("catalog", t + 7, "INFO", f"cache refreshed, {rng.randrange(840, 999)} products")
    for t in _every(300, seconds, rng):
        buffers = rng.randrange(200, 900)
        written = f"checkpoint complete: wrote {buffers} buffers ({buffers / 163.84:.1f}%); 0 WAL file(s) added"
        shop.say("database", t, "INFO", "checkpoint starting: time", pid=71)
        shop.say("database", t + buffers / 10, "INFO", written, pid=71)
        report = f"duration: {rng.uniform(80, 200):.3f} ms  statement: {_PER_MINUTE_SQL}"
        shop.say("database", t + 90, "INFO", report, pid=345)
        shop.say("auth", t + 31, "INFO", "signing key checked, 21 days left")
        batch: dict[str, object] = {"batch": {"payments": rng.randrange(20, 90), "currency": "EUR"}}
        shop.say("payments", t + 55, "INFO", "settlement sent", fields=batch)


def _every(period: int, seconds: float, rng: random.Random) -> list[float]:
    """The times of something regular, each a little late."""
    return [t + rng.uniform(0, 0.4) for t in range(period // 2, int(seconds), period)]
