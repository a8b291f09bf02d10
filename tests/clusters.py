"""A small Dask cluster for tests and measurements: processes that are spawned, never forked."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dask
from distributed import Client, LocalCluster


@contextmanager
def cluster(workers: int, **settings: Any) -> Iterator[Client]:
    """A client of a cluster of so many worker processes, one thread each."""
    # One thread in native code per worker: what is measured is the number of processes.
    environment = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}
    # Who asks a dead worker for its results waits for so long.
    environment["DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT"] = "3s"
    config = {
        "distributed.scheduler.allowed-failures": 1,
        "distributed.comm.timeouts.connect": "3s",
        "distributed.worker.multiprocessing-method": "spawn",
        "distributed.nanny.pre-spawn-environ": environment,
    }
    with (
        dask.config.set(config),
        LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=":0", **settings
        ) as local,
        Client(local) as client,
    ):
        client.wait_for_workers(workers)
        yield client


class Killer:
    """Kills one worker process of a cluster with signal 9 when it has been told `after` results."""

    def __init__(self, client: Client, after: int) -> None:
        self.pid = next(iter(client.run(os.getpid).values()))
        self._left = after
        self.done = threading.Event()

    def told(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(self.pid, signal.SIGKILL)
            self.done.set()
