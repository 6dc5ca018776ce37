"""What is measured: rows (scheme, protocol, threads) by peers."""

from typing import NamedTuple

PEERS = ["aipool", "aipool-threads2", "libcurl", "reqwest", "waiter-drives", "guard-drives", "raw"]
# Whom the others are compared with.
BASE = "libcurl"


class Row(NamedTuple):
    name: str
    tls: bool
    http: int
    threads: int


class Cell(NamedTuple):
    row: Row
    peer: str
    round: int

    @property
    def title(self):
        return f"{self.row.name}, {self.peer}, round {self.round}"


THREADS = {1: "serial", 2: "2 threads", 8: "8 threads", 64: "64 threads"}

ROWS = [
    *(Row(f"plain {title}", False, 1, threads) for threads, title in THREADS.items()),
    *(Row(f"tls {title}", True, 1, threads) for threads, title in THREADS.items()),
    Row("h2 serial", True, 2, 1),
]
# The row whose instructions and system calls are counted.
COUNTED = ROWS[0]
# The session of one key, taken and freed.
GETTERS = [Row(f"get_session {THREADS[threads]}", False, 1, threads) for threads in (1, 8, 64)]
