"""What goes wrong: six root causes, as data. A seed chooses one.

DETAIL and STATEMENT are PostgreSQL's own levels. Texts are filled with `str.format` from
values the demo makes up itself: {path}, {user}, {statement}, {elapsed}, {elapsed_ms}.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple


class Remark(NamedTuple):
    """What a service says; `pid` is the database's backend that says it, 0 for any."""

    level: str
    text: str
    pid: int = 0


@dataclass(frozen=True, slots=True)
class Story:
    """One root cause: where it sits, how it shows, how it begins and ends.

    `share` of the calls fail at the height, reached after `rise` (a share of the incident's length);
    a failing call takes `fail_seconds` (from, to), and one that succeeds is `slow` times slower.
    `guilty` is said at each failing call, and `cause` is a phrase of it.
    """

    name: str
    service: str
    cause: str
    share: float
    rise: float
    slow: float
    fail_seconds: tuple[float, float]
    opening: tuple[Remark, ...]
    guilty: tuple[Remark, ...]
    closing: tuple[Remark, ...]


_ALTER = "ALTER TABLE inventory ADD COLUMN reserved integer NOT NULL DEFAULT 0"
_REPORT = (
    "SELECT p.category, sum(i.quantity), sum(i.quantity * p.price_minor)\n"
    "FROM inventory i JOIN products p ON p.id = i.product_id\n"
    "GROUP BY p.category ORDER BY 3 DESC"
)

_LOCKS = Story(
    name="a migration waits behind a report, and everybody behind the migration",
    service="database",
    cause="lock timeout",
    share=0.8,
    rise=0.35,
    slow=14.0,
    fail_seconds=(2.0, 2.05),
    opening=(
        Remark(
            "INFO",
            "process 4411 still waiting for AccessExclusiveLock on relation 16422 of database 16384 after 1000.094 ms",
            4411,
        ),
        Remark("DETAIL", "Process holding the lock: 3907. Wait queue: 4411.", 4411),
        Remark("STATEMENT", _ALTER, 4411),
    ),
    guilty=(Remark("ERROR", "canceling statement due to lock timeout"), Remark("STATEMENT", "{statement}")),
    closing=(
        Remark("FATAL", "terminating connection due to administrator command", 3907),
        Remark("STATEMENT", _REPORT, 3907),
        Remark("INFO", "duration: {elapsed_ms:.3f} ms  statement: " + _ALTER, 4411),
    ),
)

_CERTIFICATE = Story(
    name="the certificate of the payments provider runs out",
    service="payments",
    cause="certificate has expired",
    share=0.95,
    rise=0.02,
    slow=1.3,
    fail_seconds=(0.08, 0.35),
    opening=(Remark("WARN", "connection to pay.example.com closed by peer, reconnecting"),),
    guilty=(Remark("ERROR", "charge failed: certificate verify failed: certificate has expired"),),
    closing=(Remark("INFO", "handshake with pay.example.com succeeded, certificate valid for 90 days"),),
)

_DEPLOY = Story(
    name="a bad deploy of catalog reads a field that is not there",
    service="catalog",
    cause="KeyError: 'price_minor'",
    share=0.65,
    rise=0.4,
    slow=1.2,
    fail_seconds=(0.01, 0.06),
    opening=(
        Remark("INFO", "SIGTERM received, draining"),
        Remark("INFO", "catalog 4.12.0 (build 7f3c2e1) started, 4 workers"),
    ),
    guilty=(
        Remark(
            "ERROR",
            "Unhandled exception in {path}\n"
            "Traceback (most recent call last):\n"
            '  File "/srv/catalog/app/handlers.py", line 88, in dispatch\n'
            "    return await handler(request)\n"
            '  File "/srv/catalog/app/products.py", line 141, in show\n'
            "    view = render(row, currency=request.currency)\n"
            '  File "/srv/catalog/app/pricing.py", line 37, in render\n'
            '    amount = row["price_minor"]\n'
            "             ~~~^^^^^^^^^^^^^^^\n"
            "KeyError: 'price_minor'",
        ),
    ),
    closing=(
        Remark("INFO", "SIGTERM received, draining"),
        Remark("INFO", "catalog 4.11.3 (build 2b90d44) started, 4 workers"),
    ),
)

_MEMORY = Story(
    name="orders runs out of heap",
    service="orders",
    cause="OutOfMemoryError",
    share=0.7,
    rise=0.5,
    slow=25.0,
    fail_seconds=(3.0, 9.0),
    opening=(Remark("WARN", "Full GC took 1840 ms, heap 1987 of 2048 MiB in use afterwards"),),
    guilty=(
        Remark(
            "ERROR",
            "Servlet.service() for [dispatcherServlet] threw exception\n"
            "jakarta.servlet.ServletException: Handler dispatch failed\n"
            "\tat org.springframework.web.servlet.DispatcherServlet.doDispatch(DispatcherServlet.java:1104)\n"
            "\tat org.springframework.web.servlet.FrameworkServlet.processRequest(FrameworkServlet.java:1014)\n"
            "\tat java.base/java.lang.Thread.run(Thread.java:1583)\n"
            "Caused by: java.lang.OutOfMemoryError: Java heap space\n"
            "\tat com.example.orders.history.HistoryCache.put(HistoryCache.java:73)\n"
            "\tat com.example.orders.OrderService.load(OrderService.java:211)\n"
            "\t... 31 more",
        ),
    ),
    closing=(
        Remark("INFO", "Stopping service [Tomcat]"),
        Remark("INFO", "Starting OrdersApplication v2.8.1 using Java 21.0.4 with PID 1"),
        Remark("INFO", "Started OrdersApplication in 7.412 seconds"),
    ),
)

_CLOCK = Story(
    name="the clock of the auth host steps away",
    service="auth",
    cause="clock skew",
    share=0.75,
    rise=0.05,
    slow=1.1,
    fail_seconds=(0.004, 0.02),
    opening=(Remark("WARN", "system clock stepped by 317.442 s, source 192.0.2.123"),),
    guilty=(Remark("ERROR", "token rejected: clock skew of 317 s, issued in the future user={user}"),),
    closing=(Remark("INFO", "system clock synchronised, offset 0.003 s, source 198.51.100.123"),),
)

_CONNECTIONS = Story(
    name="an export takes every connection of the database",
    service="database",
    cause="too many clients",
    share=0.75,
    rise=0.45,
    slow=5.0,
    fail_seconds=(0.002, 0.01),
    opening=(
        Remark("INFO", "connection authorized: user=export database=shop application_name=export-worker-1"),
        Remark("INFO", "connection authorized: user=export database=shop application_name=export-worker-2"),
        Remark("INFO", "connection authorized: user=export database=shop application_name=export-worker-3"),
    ),
    guilty=(Remark("FATAL", "sorry, too many clients already"),),
    closing=(
        Remark("FATAL", "terminating connection due to administrator command", 3907),
        Remark(
            "INFO", "disconnection: session time: {elapsed} user=export database=shop host=192.0.2.61 port=41822", 3907
        ),
    ),
)

STORIES: Final = (_LOCKS, _CERTIFICATE, _DEPLOY, _MEMORY, _CLOCK, _CONNECTIONS)
