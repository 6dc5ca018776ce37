"""What is measured: rows (scheme, protocol, threads) by peers, and two sorts of rows of their own."""

from typing import NamedTuple

# Each with the program that is it.
PEERS = {
    "aipool": "aipool",
    "aipool-threads2": "aipool",
    "aipool-reqwest": "aipool",
    "libcurl": "libcurl",
    "reqwest": "reqwest",
    "raw": "raw",
}
# Whom the others are compared with.
BASE = "libcurl"


class Row(NamedTuple):
    name: str
    tls: bool
    http: int
    threads: int
    # How many base URLs the threads use.
    bases: int = 1
    # A port where each handshake begins 50 ms late, about a round trip to a server elsewhere.
    far: bool = False


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
    *(Row(f"h2 {THREADS[threads]}", True, 2, threads) for threads in (1, 8, 64)),
]
SERIAL = [row for row in ROWS if row.threads == 1]
# The row whose instructions and system calls are counted.
COUNTED = ROWS[0]


def peers(row):
    """Who takes part in a row. HTTP/2 has one connection whoever drives it."""
    left_out = {"raw", "aipool-threads2"} if row.http == 2 else {"raw"} if row.tls else set()
    return [peer for peer in PEERS if peer not in left_out]


# A session taken and freed: of the one key there is, of a new one at the same server, of a new one at a new server.
GETTERS = [
    *(Cell(Row(f"one key, {THREADS[threads]}", False, 1, threads), "get-session", 0) for threads in (1, 8, 64)),
    Cell(Row("new key", True, 0, 1), "new-session", 0),
    Cell(Row("new key, new server", True, 0, 1), "new-origin", 0),
]

# Threads that send their first request at once, protocol by ALPN: all of them before the first handshake ends.
HERDS = [Row("one URL", True, 0, 50, far=True), Row("50 base URLs", True, 0, 50, bases=50, far=True)]
HERD_PEERS = [peer for peer in PEERS if peer != "raw"]
