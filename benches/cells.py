"""What is measured: rows (scheme, protocol, how many at once) by peers, and two sorts of rows of their own."""

from typing import NamedTuple

# Each with the program that is it. Threads that block:
THREAD_PEERS = {
    "aipool": "aipool",
    "aipool-threads2": "aipool",
    "aipool-reqwest": "aipool",
    "aipool-generate": "aipool",
    "libcurl": "libcurl",
    "reqwest": "reqwest",
    "raw": "raw",
}
# Many requests from one loop:
FLIGHT_PEERS = {"aipool-queue": "queue", "libcurl-multi": "multi", "reqwest-async": "reqwest"}
# The same from languages with loops or tasks of their own, which are measured with one request at a time too:
LANGUAGE_PEERS = {
    "aipool-go": "go-peers",
    "aipool-transport": "go-peers",
    "go": "go-peers",
    "aiohttp": "python",
    "curl_cffi": "python",
    "undici": "node",
}
# Token streams: the library parses events, the others hand out bytes.
STREAM_PEERS = {
    "aipool-streams": "streams",
    "libcurl-streams": "multi_streams",
    "reqwest-streams": "reqwest",
    "go-streams": "go-peers",
}
# And what sends nothing: getting sessions.
GETTER_PEERS = {"get-session": "aipool", "new-session": "aipool", "new-origin": "aipool"}

PROGRAMS = THREAD_PEERS | FLIGHT_PEERS | LANGUAGE_PEERS | STREAM_PEERS | GETTER_PEERS


class Row(NamedTuple):
    name: str
    tls: bool
    http: int
    # Threads, requests in flight, or streams.
    threads: int
    # serial: one request at a time, client and server on one core; free: the same on all cores; threads, flight, streams.
    way: str = "threads"
    # How many base URLs the threads use.
    bases: int = 1
    # A port where each handshake begins 50 ms late, about a round trip to a server elsewhere.
    far: bool = False
    path: str = ""


class Cell(NamedTuple):
    row: Row
    peer: str
    round: int

    @property
    def title(self):
        return f"{self.row.name}, {self.peer}, round {self.round}"


SERIAL = [
    Row("plain serial", False, 1, 1, "serial"),
    Row("tls serial", True, 1, 1, "serial"),
    Row("h2 serial", True, 2, 1, "serial"),
]
FREE = [Row("plain serial, all cores", False, 1, 1, "free")]
THREADS = [
    *(Row(f"plain {threads} threads", False, 1, threads) for threads in (2, 8, 64)),
    *(Row(f"tls {threads} threads", True, 1, threads) for threads in (2, 8, 64)),
    *(Row(f"h2 {threads} threads", True, 2, threads) for threads in (8, 64)),
]
FLIGHT = [
    *(Row(f"plain {many} in flight", False, 1, many, "flight") for many in (64, 1000)),
    *(Row(f"h2 {many} in flight", True, 2, many, "flight") for many in (64, 1000)),
]
STREAMS = [
    Row("1000 streams", False, 1, 1000, "streams"),
    Row("1 stream at full speed", False, 1, 1, "streams", path="full"),
]
ROWS = [*SERIAL, *FREE, *THREADS, *FLIGHT, *STREAMS]
# The row whose instructions and system calls are counted, for those who can be run under valgrind.
COUNTED = SERIAL[0]

# Whom the others are compared with.
BASES = {
    "serial": "libcurl",
    "free": "libcurl",
    "threads": "libcurl",
    "flight": "libcurl-multi",
    "streams": "libcurl-streams",
}

PEERS = {
    "serial": [*THREAD_PEERS, *LANGUAGE_PEERS],
    "free": ["aipool", "libcurl", "reqwest", *LANGUAGE_PEERS],
    "threads": [*THREAD_PEERS],
    "flight": [*FLIGHT_PEERS, *LANGUAGE_PEERS],
    "streams": [*STREAM_PEERS],
}


def peers(row):
    """Who takes part in a row. HTTP/2 has one connection whoever drives it."""
    left_out = {"raw", "aipool-threads2", "aiohttp"} if row.http == 2 else {"raw"} if row.tls else set()
    if row != SERIAL[0]:
        # What a client's call costs beside a request is the same wherever it goes.
        left_out |= {"aipool-generate"}
    return [peer for peer in PEERS[row.way] if peer not in left_out]


# A session taken and freed: of the one key there is, of a new one at the same server, of a new one at a new server.
GETTERS = [
    Cell(Row("one key, serial", False, 1, 1, "serial"), "get-session", 0),
    *(Cell(Row(f"one key, {threads} threads", False, 1, threads), "get-session", 0) for threads in (8, 64)),
    Cell(Row("new key", True, 0, 1, "serial"), "new-session", 0),
    Cell(Row("new key, new server", True, 0, 1, "serial"), "new-origin", 0),
]

# Threads that send their first request at once, protocol by ALPN: all of them before the first handshake ends.
HERDS = [Row("one URL", True, 0, 50, far=True), Row("50 base URLs", True, 0, 50, bases=50, far=True)]
HERD_PEERS = [peer for peer in THREAD_PEERS if peer not in ("raw", "aipool-generate")]
