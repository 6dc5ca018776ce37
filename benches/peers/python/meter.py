"""One run of tasks: so many requests in flight, and another one for each that is done; flight.h has the same in C."""

import asyncio
import resource
import sys
import time
from typing import NamedTuple


class Plan(NamedTuple):
    """What to do, from the command line: PEER URL CA_FILE HTTP THREADS BASES WARMUP SECONDS REQUESTS. THREADS is how many
    requests are in flight."""

    peer: str
    url: str
    ca_file: str
    http: int
    threads: int
    bases: int
    warmup: int
    seconds: float
    requests: int

    @classmethod
    def of(cls, arguments):
        types = cls.__annotations__.values()
        if len(arguments) != len(types):
            sys.exit("usage: main.py PEER URL CA_FILE HTTP THREADS BASES WARMUP SECONDS REQUESTS")
        return cls(*(of(argument) for of, argument in zip(types, arguments)))


class Meter:
    """Counts what is done, for all tasks together. What is under way when the time is over is not counted."""

    def __init__(self, plan):
        self.plan = plan
        self.left = plan.warmup * plan.threads
        self.latencies = []
        self.began = self.ended = None
        self.cpu = 0.0

    async def run(self, post):
        await asyncio.gather(*(self.send(post) for _ in range(self.plan.threads)))

    async def send(self, post):
        more = True
        while more:
            since = time.perf_counter()
            await post()
            more = self.done(since)

    def done(self, since):
        """One more is, which began at `since`; whether to send another."""
        now = time.perf_counter()
        if self.ended is not None:
            return False
        if self.began is None:
            self.left -= 1
            if self.left <= 0:
                self.began, self.cpu = now, cpu_time()
            return True
        self.latencies.append(now - since)
        if now - self.began >= self.plan.seconds or len(self.latencies) >= self.plan.requests:
            self.ended, self.cpu = now, cpu_time() - self.cpu
        return self.ended is None

    def print(self):
        latencies = sorted(self.latencies)
        count = len(latencies)
        print(
            f"requests={count} rps={count / (self.ended - self.began):.1f} cpu_us={self.cpu * 1e6 / count:.3f}"
            f" p50_us={latencies[count // 2] * 1e6:.2f} p99_us={latencies[count * 99 // 100] * 1e6:.2f}"
        )


def cpu_time():
    """User and system time of this process in seconds."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
