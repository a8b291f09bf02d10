"""Statements of many kinds of programs, and messages as they would log them, for tests of message templates.

Each system is a list of statements; `{kind}` stands for a value of that kind (`VALUES`). Statements and values are made
up in the manner of such programs.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

import polars as pl

_USER_NAMES = "root admin alice bob carol dmitri erin faisal grace henrik ines jun karl lena mallory nadia oscar"
_NOUNS = "amber birch cedar delta ember fjord grove harbor iris juniper kelp lagoon maple nova orchid"
_USERS, _WORDS = tuple(_USER_NAMES.split()), tuple(_NOUNS.split())
_ERRORS = ("connection refused", "no route to host", "operation timed out", "broken pipe", "name or service not known")

VALUES: dict[str, Callable[[random.Random], str]] = {
    "user": lambda r: r.choice(_USERS),
    "host": lambda r: r.choice(_WORDS) + r.choice([".example.com", ".example.net", ".corp.example.org"]),
    "node": lambda r: f"{r.choice(_WORDS)}-{r.randint(1, 40)}",
    "name": lambda r: r.choice(_WORDS),
    "ip": lambda r: ".".join(str(r.randint(1, 254)) for _ in range(4)),
    "port": lambda r: str(r.randint(1024, 65535)),
    "int": lambda r: str(r.choice([r.randint(0, 9), r.randint(10, 5000), r.randint(10**6, 10**9)])),
    "neg": lambda r: str(r.randint(-100, 100)),
    "float": lambda r: f"{r.uniform(0, 500):.{r.randint(1, 4)}f}",
    "hex": lambda r: f"0x{r.getrandbits(32):08x}",
    "sha": lambda r: f"{r.getrandbits(160):040x}",
    "uuid": lambda r: "-".join(f"{r.getrandbits(4 * n):0{n}x}" for n in (8, 4, 4, 4, 12)),
    "id": lambda r: r.choice(["job", "task", "blk", "txn"]) + f"_{r.getrandbits(40)}",
    "mac": lambda r: ":".join(f"{r.getrandbits(8):02x}" for _ in range(6)),
    "path": lambda r: "/" + "/".join(r.choices(_WORDS, k=r.randint(2, 5))) + r.choice(["", ".log", ".conf", "/"]),
    "route": lambda r: r.choice(["/health", "/orders", "/login", f"/orders/{r.randint(1, 9999)}", "/api/items?page=2"]),
    "winpath": lambda r: "C:\\" + "\\".join(w.title() for w in r.choices(_WORDS, k=r.randint(2, 4))),
    "url": lambda r: f"https://{r.choice(_WORDS)}.example.com/{r.choice(_WORDS)}",
    "class": lambda r: "org.example." + r.choice(_WORDS) + "." + r.choice(_WORDS).title() + r.choice(["Impl", "Task"]),
    "dur": lambda r: r.choice([f"{r.randint(1, 900)}ms", f"{r.uniform(0, 9):.2f}s", f"{r.randint(1, 50)} ms"]),
    "size": lambda r: f"{r.uniform(0, 900):.1f} {r.choice(['B', 'KB', 'MB', 'GiB'])}",
    "pct": lambda r: f"{r.randint(0, 100)}%",
    "time": lambda r: f"{r.randint(0, 23):02}:{r.randint(0, 59):02}:{r.randint(0, 59):02}",
    "date": lambda r: f"{r.choice(['Mon', 'Sat'])} {r.choice(['Jan', 'Jul'])} {r.randint(1, 28):2} 10:00:07 2024",
    "bool": lambda r: r.choice(["true", "false"]),
    "ints": lambda r: "[" + ", ".join(str(r.randint(0, 99)) for _ in range(r.randint(1, 7))) + "]",
    "quoted": lambda r: '"' + " ".join(r.choices(_WORDS, k=r.randint(1, 3))) + '"',
    "squoted": lambda r: f"'{r.choice(_WORDS)}-{r.choice(_WORDS)}'",
    "error": lambda r: r.choice(_ERRORS),
    "state": lambda r: r.choice(["PENDING", "RUNNING", "FAILED", "DONE", "LOST"]),
}
"""What each kind of value looks like."""

SYSTEMS: dict[str, tuple[str, ...]] = {
    "ssh": (
        "Failed password for {user} from {ip} port {port} ssh2",
        "Failed password for invalid user {user} from {ip} port {port} ssh2",
        "Accepted publickey for {user} from {ip} port {port} ssh2: RSA SHA256:{sha}",
        "Invalid user {user} from {ip}",
        "Connection closed by {ip} [preauth]",
        "Received disconnect from {ip}: 11: Bye Bye [preauth]",
        "pam_unix(sshd:session): session opened for user {user} by (uid={int})",
        "pam_unix(sshd:session): session closed for user {user}",
        "reverse mapping checking getaddrinfo for {host} [{ip}] failed - POSSIBLE BREAK-IN ATTEMPT!",
        "error: maximum authentication attempts exceeded for {user} from {ip} port {port} ssh2 [preauth]",
        "Server listening on {ip} port {port}.",
    ),
    "supercomputer": (
        "generating core.{int}",
        "instruction cache parity error corrected",
        "data cache parity error corrected",
        "{int} double-hummer alignment exceptions",
        "CE sym {int}, at {hex}, mask {hex}",
        "total of {int} ddr error(s) detected and corrected on rank {int}, symbol {int} over {int} seconds",
        "lustre mount FAILED : {node} : block_id : location",
        "ciod: LOGIN chdir({path}) failed: No such file or directory",
        "ciod: failed to read message prefix on control stream (CioStream socket to {ip}:{port}",
        "program interrupt: illegal instruction......{int}",
        "data storage interrupt",
        "rts: kernel terminated for reason {int}",
        "fan speeds ( {int} {int} {int} {int} )",
        "node card is not fully functional",
    ),
    "desktop": (
        "en0: BSSID changed to {mac}",
        "AirPort: Link Down on awdl0. Reason {int} (Disassociated because station leaving).",
        "ARPT: {float}: wl0: setup_keepalive: Local port: {port}, Remote port: {port}",
        "Thermal pressure state: {int} Memory pressure state: {int}",
        "PM response took {int} ms ({int}, {name})",
        "Previous sleep cause: {int}",
        "[HID] [MT] MTActuatorManagement::getActuatorRef Calling MTActuatorOpen() outside of MTTrackpadHIDManager.",
        "Wake reason: {quoted}",
        "SecOSStatusWith error:[{neg}] The operation couldn't be completed. (Error code {int})",
        "hibernate image path: {path}",
        "Ignoring request for service {name}",
    ),
    "coordination": (
        "Received connection request /{ip}:{port}",
        "Send worker leaving thread",
        "Notification time out: {int}",
        "Cannot open channel to {int} at election address /{ip}:{port}",
        "Accepted socket connection from /{ip}:{port}",
        "Closed socket connection for client /{ip}:{port} which had sessionid {hex}",
        "Client attempting to establish new session at /{ip}:{port}",
        "Established session {hex} with negotiated timeout {int} for client /{ip}:{port}",
        "Expiring session {hex}, timeout of {int}ms exceeded",
        "Snapshotting: {hex} to {path}",
        "LOOKING",
        "FOLLOWING - LEADER ELECTION TOOK - {int}",
        "Processed session termination for sessionid: {hex}",
    ),
    "phone": (
        "onStandStepChanged {int}",
        "onExtend:{int} {int} {int} {int}",
        "flush sensor data",
        "calculateCaloriesWithCache totalCalories={int}",
        "calculateAltitudeWithCache totalAltitude={int}",
        "setTodayTotalDetailSteps={int}##{int}##{int}##{int}",
        "getTodayTotalDetailSteps = {int}##{int}##{int}",
        "REPORT : {int} {int} {int} {int}",
        "processHandleBroadcastAction action:{class}",
        "screen status unknown,think screen on",
    ),
    "proxy": (
        "{host}:{port} open through proxy {host}:{port} HTTPS",
        "{host}:{port} close, {int} bytes sent, {int} bytes received, lifetime {time}",
        "{host}:{port} close, {int} bytes ({size}) sent, {int} bytes ({size}) received, lifetime {time}",
        "{host}:{port} error : Could not connect through proxy {host}:{port} - it cannot establish a connection",
        "open directly",
    ),
    "cluster": (
        "(root) CMD (run-parts {path})",
        "DHCPDISCOVER from {mac} via eth1",
        "DHCPREQUEST for {ip} from {mac} via eth1",
        "DHCPACK on {ip} to {mac} via eth1",
        "synchronized to {ip}, stratum {int}",
        "session opened for user {user} by (uid={int})",
        "data_thread() got not answer from any [{name}] datasource",
        "ntpd exiting on signal {int}",
        "START: {name} pid={int} from={ip}",
        "EXIT: {name} status={int} pid={int} duration={int}(sec)",
        "check pass; user unknown",
        "postfix/{name}[{int}]: fatal: open {path}: Permission denied",
    ),
    "database": (
        "duplicate key value violates unique constraint {quoted}",
        "connection authorized: user={user} database={name}",
        "connection received: host={ip} port={port}",
        "duration: {float} ms  statement: SELECT * FROM {name} WHERE id = {int}",
        "checkpoint complete: wrote {int} buffers ({float}%); {int} WAL file(s) added, {int} removed",
        'automatic vacuum of table "prod.public.{name}": index scans: {int}',
        "could not receive data from client: Connection reset by peer",
        "canceling statement due to statement timeout",
        "deadlock detected",
        "process {int} still waiting for ShareLock on transaction {int} after {float} ms",
        "database system is ready to accept connections",
    ),
    "web": (
        "GET {route} {int} {dur}",
        "POST {route} {int} {dur}",
        "{ip} - {user} request to {url} took {dur}",
        "upstream timed out ({int}: Connection timed out) while reading response header from upstream, client: {ip}",
        "client {ip} closed keepalive connection",
        'open() "{path}" failed (2: No such file or directory)',
        "worker process {int} exited with code {int}",
        "signal process started",
        "User {user} logged in from {ip}",
        "User {user} logged out",
        "Session for {user} expired after {dur}",
        "Cache miss for key {name}:{int}",
    ),
    "orchestrator": (
        "Successfully assigned default/{node} to {host}",
        "Pulling image {quoted}",
        'Successfully pulled image "{url}" in {dur}',
        "Created container {name}",
        "Started container {name}",
        "Back-off restarting failed container {name} in pod {node}",
        "Readiness probe failed: Get {url}: dial tcp {ip}:{port}: connect: connection refused",
        "Scaled up replica set {node} to {int}",
        "Node {node} status is now: NodeReady",
        "MountVolume.SetUp failed for volume {quoted} : secret {quoted} not found",
        "Job {id} changed state from {state} to {state}",
    ),
    "service": (
        "Order {int} placed by {user} for {float} EUR",
        "Payment {uuid} accepted",
        "Payment {uuid} declined: insufficient funds",
        "Retry {int} of {int} for {url} after {dur}",
        "Consumer {name} lag is {int} on partition {int}",
        "Loaded {int} rules from {path}",
        "Feature {name} enabled",
        "Feature {name} disabled",
        "Scheduled job {name} started",
        "Scheduled job {name} finished in {dur}",
        "Heap usage {pct} of {size}",
        "Rebalancing partitions {ints}",
        "Config reloaded: debug={bool} level={name} workers={int}",
        "Lock {squoted} acquired by {node}",
        "Uncaught exception in thread {name}: {class}",
        "Health check ok",
        "Shutdown requested",
    ),
}
"""The statements of each system."""


def messages(system: str, lines: int, seed: int = 1) -> pl.DataFrame:
    """Lines of a system: `message`, and the `statement` that made it. Some statements are far more frequent."""
    rng = random.Random(f"{system} {seed}")
    statements = SYSTEMS[system]
    weights = [1 / (1 + rank) for rank in range(len(statements))]
    order = rng.sample(statements, len(statements))
    chosen = rng.choices(order, weights, k=lines)
    return pl.DataFrame({"message": [_filled(one, rng) for one in chosen], "statement": chosen})


def _filled(statement: str, rng: random.Random) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: VALUES[found[1]](rng), statement)
