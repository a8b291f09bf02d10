"""The services behind the gateway: what each does with a call, and what it says meanwhile.

    gateway ─▶ orders ─▶ payments ─▶ database
        ├────▶ catalog ────────────▶ database
        └────▶ auth

A call takes the time it begins, in seconds since the start, and gives an `Answer`; a service that fails makes
its caller fail, with words of its own and the same trace.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from logkit.demo import lines
from logkit.demo.stories import Remark, Story

_MEDIAN_SECONDS: Final = {"orders": 0.016, "payments": 0.055, "catalog": 0.009, "auth": 0.006, "database": 0.0055}
_STORE_TRACEBACK: Final = (
    "Traceback (most recent call last):\n"
    '  File "/srv/catalog/app/handlers.py", line 88, in dispatch\n'
    "    return await handler(request)\n"
    '  File "/srv/catalog/app/store.py", line 52, in fetch\n'
    "    raise StoreUnavailable(query.table) from last\n"
    "app.errors.StoreUnavailable: inventory: query failed after 2 attempts"
)
_PAYMENTS_TRACE: Final = (
    "com.example.orders.PaymentException: payments did not confirm\n"
    "\tat com.example.orders.PaymentClient.charge(PaymentClient.java:118)\n"
    "\tat com.example.orders.OrderService.place(OrderService.java:164)\n"
    "\tat java.base/java.lang.Thread.run(Thread.java:1583)\n"
    "Caused by: org.springframework.web.client.HttpServerErrorException$ServiceUnavailable: 503 from POST /charges\n"
    "\tat com.example.orders.PaymentClient.post(PaymentClient.java:141)\n"
    "\t... 9 more"
)
_INVOICE_TRACE: Final = (
    'java.lang.NullPointerException: Cannot invoke "Address.country()" because "address" is null\n'
    "\tat com.example.orders.invoice.Renderer.header(Renderer.java:59)\n"
    "\tat com.example.orders.invoice.Renderer.render(Renderer.java:31)"
)


@dataclass(frozen=True, slots=True)
class Record:
    """What one service said at one time. `fault`: the story is to blame for it."""

    at: datetime
    service: str
    level: str
    text: str
    fault: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """What travels down the call graph with a request."""

    trace: str
    path: str
    product: int
    user: str
    client: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether a call succeeded, and when it came back, in seconds since the start."""

    ok: bool
    end: float
    fault: bool = False


class Shop:
    """The services, and the records they have made so far."""

    def __init__(self, story: Story, rng: random.Random, start: datetime, seconds: float) -> None:
        self.story = story
        self.rng = rng
        self.start = start
        self.begin = seconds * rng.uniform(0.42, 0.5)
        self.end = self.begin + seconds * rng.uniform(0.19, 0.24)
        self.records: list[Record] = []
        self.orders = rng.randrange(20_000, 80_000)

    # -- the story ------------------------------------------------------------------------------------------------

    def severity(self, t: float) -> float:
        """How bad things are at `t`, 0 to 1: rising as the story says, gone at its end."""
        if not self.begin <= t < self.end:
            return 0.0
        return min(1.0, math.pow((t - self.begin) / (self.end - self.begin) / self.story.rise, 1.5))

    def heap(self, t: float) -> int:
        """MiB of heap orders uses: it only creeps up where memory is the story."""
        used = 900 + self.rng.randrange(300)
        if self.story.service == "orders" and t < self.end:
            used += int(750 * min(1.0, t / self.begin))
        return used

    def tell(self) -> None:
        """What the guilty service says as the story begins and as it ends, outside any request."""
        minutes, seconds = divmod(self.end - self.begin, 60)
        facts = {"elapsed_ms": (self.end - self.begin) * 1000, "elapsed": f"0:{int(minutes):02d}:{seconds:06.3f}"}
        self._remark(self.story.opening, self.begin, facts)
        self._remark(self.story.closing, self.end, facts)

    def _remark(self, remarks: tuple[Remark, ...], t: float, facts: dict[str, object]) -> None:
        for level, text, pid in remarks:
            self.say(self.story.service, t, level, text.format_map(facts), fault=True, pid=pid)
            t += 0.0 if pid else 0.9  # a backend's DETAIL and STATEMENT come in one go

    def strikes(self, service: str, t: float, request: Request, statement: str = "") -> Answer | None:
        """The failing answer if the story hits this call, and the guilty words; else None."""
        story = self.story
        if service != story.service or self.rng.random() >= story.share * self.severity(t):
            return None
        end = t + self.rng.uniform(*story.fail_seconds)
        facts = {"path": request.path, "user": request.user, "statement": statement}
        pid = self.rng.randrange(300, 340)
        for level, text, _ in story.guilty:
            self.say(service, end, level, text.format_map(facts), request, fault=True, pid=pid, seconds=end - t)
        return Answer(False, end, fault=True)

    def work(self, service: str, t: float) -> float:
        """The seconds a healthy call takes, more where the story weighs on the service."""
        seconds = _MEDIAN_SECONDS[service] * self.rng.lognormvariate(0, 0.55)
        return seconds * (1 + (self.story.slow - 1) * self.severity(t)) if service == self.story.service else seconds

    # -- records --------------------------------------------------------------------------------------------------

    def say(
        self,
        service: str,
        t: float,
        level: str,
        message: str,
        request: Request | None = None,
        *,
        fault: bool = False,
        pid: int = 0,
        seconds: float = 0.0,
        fields: dict[str, object] | None = None,
    ) -> None:
        """Add a record of any service but the gateway; the trace goes where the format has room for it."""
        at = self.start + timedelta(seconds=t)
        first, *later = message.split("\n", 1)
        traced = f"{first} trace_id={request.trace}" if request else first
        whole = "\n".join((traced, *later))
        match service:
            case "orders":
                thread = f"http-nio-8080-exec-{int(request.trace[:4], 16) % 20 + 1}" if request else "main"
                logger = "com.example.orders." + ("OrderService" if request else "Runtime")
                text = lines.logback(at, level, thread, logger, whole)
            case "payments":
                more: dict[str, object] = {}
                if request:
                    span = f"{self.rng.getrandbits(64):016x}"
                    more = {"trace_id": request.trace, "span_id": span}
                if seconds:
                    more["duration_ms"] = round(seconds * 1000, 3)
                text = lines.json_line(at, level, message, more | (fields or {}))
            case "catalog":
                text = lines.python_logging(at, level, whole)
            case "auth":
                text = lines.syslog(at, level, whole)
            case _:
                text = lines.postgres(at, pid or self.rng.randrange(300, 340), level, message)
        self.records.append(Record(at, service, level, text, fault))

    # -- services -------------------------------------------------------------------------------------------------

    def database(self, t: float, statement: str, request: Request) -> Answer:
        """One statement; those of 4 ms and more are logged, as log_min_duration_statement=4 has it."""
        statement = f"{statement} /* trace_id={request.trace} */"
        if struck := self.strikes("database", t, request, statement):
            return struck
        seconds = self.work("database", t)
        if seconds >= 0.004:
            message = f"duration: {seconds * 1000:.3f} ms  statement: {statement}"
            self.say("database", t + seconds, "INFO", message)
        return Answer(True, t + seconds)

    def query(self, service: str, t: float, statement: str, request: Request) -> Answer:
        """A statement as a service sends it: tried twice."""
        answer = self.database(t, statement, request)
        if answer.ok:
            return answer
        self.say(service, answer.end, "WARN", "database query failed, trying once more", request, fault=True)
        return self.database(answer.end + 0.1, statement, request)

    def catalog(self, t: float, request: Request, statement: str) -> Answer:
        """A page of the catalogue; half of them come from its cache."""
        if struck := self.strikes("catalog", t, request):
            return struck
        answer = Answer(True, t)
        if cold := self.rng.random() < 0.5:
            answer = self.query("catalog", t, statement, request)
        end = answer.end + self.work("catalog", t)
        if not answer.ok:
            self.say("catalog", end, "ERROR", f"{request.path} failed\n{_STORE_TRACEBACK}", request, fault=True)
            return Answer(False, end, fault=True)
        took = f"{(end - t) * 1000:.1f} ms" + ("" if cold else " from cache")
        self.say("catalog", end, "INFO", f"{request.path} 200 in {took}", request)
        if self.rng.random() < 0.004:
            self.say("catalog", end, "WARN", f"product {request.product} has no image, using placeholder", request)
        return Answer(True, end)

    def auth(self, t: float, request: Request, doing: str) -> Answer:
        """A login, or the check of a token."""
        if struck := self.strikes("auth", t, request):
            return struck
        end = t + self.work("auth", t)
        if doing == "login" and self.rng.random() < 0.08:
            message = f"login failed user={request.user} from={request.client} reason=bad_password"
            self.say("auth", end, "WARN", message, request)
            return Answer(False, end)
        message = "login accepted" if doing == "login" else "token accepted"
        self.say("auth", end, "INFO", f"{message} user={request.user}", request)
        return Answer(True, end)

    def payments(self, t: float, request: Request, order: int, amount: int) -> Answer:
        """A charge at the provider, then its row in the database."""
        provider = {"provider": "pay.example.com", "currency": "EUR", "amount_minor": amount}
        if struck := self.strikes("payments", t, request):
            return struck
        charged = t + self.work("payments", t)
        statement = f"INSERT INTO payments (order_id, inventory_id, amount_minor) VALUES ({order}, $1, {amount})"
        stored = self.query("payments", charged, statement, request)
        facts: dict[str, object] = {"order_id": order, "payment": provider}
        if not stored.ok:
            facts["error"] = {"type": "StoreUnavailable", "attempts": 2, "retryable": True}
            message = "could not store payment, charge reversed"
            self.say(
                "payments", stored.end, "ERROR", message, request, fault=True, seconds=stored.end - t, fields=facts
            )
            return Answer(False, stored.end, fault=True)
        if self.rng.random() < 0.03:
            facts["decline"] = {"code": self.rng.choice(("51", "05", "54")), "by": "issuer"}
            self.say("payments", stored.end, "WARN", "card declined", request, seconds=stored.end - t, fields=facts)
            return Answer(False, stored.end)
        self.say("payments", stored.end, "INFO", "payment stored", request, seconds=stored.end - t, fields=facts)
        return Answer(True, stored.end)

    def place_order(self, t: float, request: Request) -> Answer:
        """An order is placed when payments has confirmed it; a payment that failed is tried once more."""
        self.orders += 1
        order, amount = self.orders, self.rng.randrange(499, 24_900)
        self.say("orders", t, "INFO", f"Order {order} received, {self.rng.randrange(1, 6)} items", request)
        if struck := self.strikes("orders", t, request):
            return struck
        answer = self.payments(t + self.work("orders", t), request, order, amount)
        if answer.fault:
            self.say("orders", answer.end, "WARN", f"Payment of order {order} failed, retrying", request, fault=True)
            answer = self.payments(answer.end + 0.2, request, order, amount)
        end = answer.end + 0.002
        if answer.fault:
            self.say("orders", end, "ERROR", f"Could not place order {order}\n{_PAYMENTS_TRACE}", request, fault=True)
        elif not answer.ok:
            self.say("orders", end, "WARN", f"Order {order} cancelled: card declined", request)
        else:
            self.say("orders", end, "INFO", f"Order {order} placed, total {amount / 100:.2f} EUR", request)
        return Answer(answer.ok, end, answer.fault)

    def show_order(self, t: float, request: Request) -> Answer:
        """An order is shown from what the service holds in memory."""
        if struck := self.strikes("orders", t, request):
            return struck
        end = t + self.work("orders", t)
        self.say("orders", end, "INFO", f"Order {request.path.rsplit('/', 1)[-1]} shown", request)
        if self.rng.random() < 0.01:
            self.say("orders", end, "ERROR", f"Could not render invoice\n{_INVOICE_TRACE}", request)
            return Answer(False, end)
        return Answer(True, end)
