"""The Python host of the soak (scripts/soak): examples/python/aipool.py from many tasks of one loop.

It prints one line of figures, and fails where an operation did not end, where anything was left, or where memory grew.
"""

import asyncio
import contextlib
import ctypes
import gc
import os
import pathlib
import random
import statistics
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "examples/python"))

import aipool

BASES = [os.environ["AIPOOL_SANDBOX_HTTP"], os.environ["AIPOOL_SANDBOX_HTTPS"]]
CA_FILE = os.environ["AIPOOL_SANDBOX_CA_PEM"]
SEED = int(os.environ["SOAK_SEED"])
SECONDS = int(os.environ["SOAK_SECONDS"])
IN_FLIGHT = int(os.environ["SOAK_IN_FLIGHT"])
# Far more keys than the pool keeps, so that sessions go and come.
MAX_SIZE, KEYS = 6, 16
HTTP_1, HTTP_2 = 1, 2
# An operation's own limit is 15 s at most; beyond this it is stuck.
STUCK = 45
# What counts as flat, and how long what ends by itself may take: look-up threads go after 10 s.
KIB_MORE, THREADS_MORE, SETTLES = 16 << 10, 8, 20
LOOKS = 200
# The ends that this weather may bring; any other is a bug.
ENDS = "OK TIMEOUT CANCELLED RESET CONNECT TLS PROTOCOL TRUNCATED CLOSED".split()
# Status 200 says that the answer was whole and right.
GOOD = 200

failures = 0


def fail(text):
    """Says what is wrong; the run goes on, and fails."""
    global failures
    failures += 1
    print("soak: Python:", text, file=sys.stderr, flush=True)


class Load:
    """What operations there are, and what became of them."""

    def __init__(self):
        self.pool = aipool.ConnectionPool(max_size=MAX_SIZE)
        self.accepted = self.ended = self.retries = 0
        self.ends = dict.fromkeys([*ENDS, "HTTP"], 0)

    def key(self, number):
        return f"{BASES[number % 2]}/soak-{number}"

    async def session(self, chance):
        """Half of each scheme's keys speak HTTP/1.1, half HTTP/2."""
        number = chance.randrange(KEYS)
        version = HTTP_2 if number // 2 % 2 else HTTP_1
        return await self.pool.get_session(self.key(number), ca_file=CA_FILE, http_version=version)

    async def one(self, chance):
        """One operation by chance, from its beginning to its end."""
        session = await self.session(chance)
        kind = chance.choices((self.whole, self.stream, self.upload), (8, 9, 3))[0]
        self.accepted += 1
        try:
            if chance.randrange(10) == 0:
                status = await self.cancelled(kind(session, chance), chance)
            else:
                status = await kind(session, chance)
            end = "OK" if status == GOOD else "HTTP"
        except aipool.Error as error:
            end = getattr(error.status, "name", str(error.status))
            if end not in self.ends:
                fail(f"an operation ended with {end}: {error}")
        except asyncio.CancelledError:
            end = "CANCELLED"
        self.ends[end] = self.ends.get(end, 0) + 1
        self.ended += 1

    async def cancelled(self, operation, chance):
        task = asyncio.ensure_future(operation)
        asyncio.get_running_loop().call_later(chance.uniform(0.001, 0.8), task.cancel)
        return await task

    async def whole(self, session, chance):
        length, fault = chance.randrange(100_000), ""
        if chance.randrange(8) == 0:
            fault = chance.choice([",status=503,retry-after=0.01", ",goaway", ",close-after", ",drop-next"])
        url = f"{chance.choice(BASES)}/bytes/{length}?sandbox=delay={chance.randrange(600)}{fault}"
        timeout = chance.uniform(0.02, 0.2) if chance.randrange(8) == 0 else 10
        async with session.get(url, timeout=timeout, max_retries=2) as response:
            self.retries += response.info.attempts - 1
            if response.status == GOOD and len(await response.read()) != length:
                fail(f"a whole answer of another length than {length}")
            return response.status

    async def stream(self, session, chance):
        url = f"{chance.choice(BASES)}/v1/chat/completions?sandbox=delay={chance.randrange(200)},drip={chance.randrange(1, 20)}"
        message = {"role": "user", "content": "word " * chance.randrange(5, 35)}
        chat = {"model": "m", "stream": True, "messages": [message]}
        given_up, last = chance.randrange(8) == 0, None
        limits = {"timeout": 15, "between_events_timeout_ms": 5000}
        async with session.post(url, json=chat, stream=True, end_marker="[DONE]", **limits) as response:
            async with contextlib.aclosing(response.events()) as events:
                async for event in events:
                    last = event.data
                    if given_up:
                        break
            if not given_up and last != "[DONE]":
                fail(f"a stream ended well with {last!r}")
            return response.status

    async def upload(self, session, chance):
        async def pieces():
            for _ in range(10):
                yield bytes(60_000)

        async with session.post(f"{chance.choice(BASES)}/echo", data=pieces(), timeout=10) as response:
            if len(await response.read()) < 600_000:
                fail("an echo that is too short")
            return response.status

    async def close_any(self, chance):
        await self.pool.close_session(self.key(chance.randrange(KEYS)))


def trim():
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def vitals():
    """KiB, descriptors and threads, after what malloc() keeps of freed memory was given back."""
    gc.collect()
    trim()
    status = dict(line.split(":", 1) for line in pathlib.Path("/proc/self/status").read_text().splitlines())
    # Without the one that reads them.
    descriptors = len(os.listdir("/proc/self/fd")) - 1
    return int(status["VmRSS"].split()[0]), descriptors, int(status["Threads"])


def sum_up(seen):
    """The medians; of memory the least, as what is under way comes and goes, and what leaks stays."""
    kib, *others = zip(*seen)
    return [min(kib), *(round(statistics.median(values)) for values in others)]


def live_handles():
    """By kind, without those there are none of."""
    kinds = "pools sessions responses cancels guards queues uploads clients".split()
    return {kind: count for kind, count in aipool.stats().items() if kind in kinds and count}


async def settled(descriptors):
    """Waits until no more is left than so many descriptors."""
    end = time.monotonic() + SETTLES
    now = vitals()
    while time.monotonic() < end and (live_handles() or now[1] > descriptors):
        await asyncio.sleep(0.02)
        now = vitals()
    return now


async def closed(load):
    """Ends the load's pool; its numbers at that moment."""
    if not await load.pool.close_all(5):
        fail("close_all() had to cut requests off")
    end = time.monotonic() + SETTLES
    # A connection that was given up is closed by whoever drives, a moment later.
    while (stats := load.pool.stats())["connections_in_use"] and time.monotonic() < end:
        await asyncio.sleep(0)
    if stats["in_flight"] or stats["waiting"] or stats["connections_in_use"]:
        fail(f"the pool says {stats}")
    await load.pool.close()
    return stats


async def rehearse():
    """A pool that comes and goes, so that what the process keeps for ever is there."""
    load, chance = Load(), random.Random(SEED)
    for _ in range(20):
        await load.one(chance)
    await closed(load)
    return await settled(sys.maxsize)


async def run(load):
    """Keeps so many operations under way for so long; what was seen of this process meanwhile."""
    stopping, begun, seen = asyncio.Event(), {}, []

    async def work(number):
        chance = random.Random(SEED + number)
        while not stopping.is_set():
            begun[number] = time.monotonic()
            await load.one(chance)
        del begun[number]

    async def watch():
        chance = random.Random(SEED)
        while begun:
            await asyncio.sleep(0.1)
            if begun and time.monotonic() - min(begun.values()) > STUCK:
                fail("an operation is stuck")
                os._exit(1)
            if chance.randrange(4) == 0:
                await load.close_any(chance)

    workers = [asyncio.ensure_future(work(number)) for number in range(1, IN_FLIGHT + 1)]
    await asyncio.sleep(0)
    watching, start = asyncio.ensure_future(watch()), time.monotonic()
    for look in range(1, LOOKS + 1):
        await asyncio.sleep(start + SECONDS * look / LOOKS - time.monotonic())
        seen.append((*vitals(), load.pool.stats()["in_flight"]))
        print(f"look {look} kib={seen[-1][0]}")
    stopping.set()
    await asyncio.gather(*workers, watching)
    return seen


async def main():
    base = await rehearse()
    load = Load()
    seen = await run(load)
    stats = await closed(load)
    rest = await settled(base[1])
    warm, end = sum_up(seen[LOOKS // 20 : LOOKS // 20 + LOOKS // 10]), sum_up(seen[-LOOKS // 10 :])
    print(f"soak host=Python accepted={load.accepted} ended={load.ended}", *(f"{name}={n}" for name, n in load.ends.items()), end=" ")
    print(f"retries={load.retries} sessions={stats['sessions_created']} evictions={stats['evictions']}", end=" ")
    print(f"connections={stats['connections_opened']} reused={stats['requests_reused']} kib_warm={warm[0]} kib_end={end[0]}", end=" ")
    print(f"fds_base={base[1]} fds_warm={warm[1]} fds_end={end[1]} fds_closed={rest[1]}", end=" ")
    print(f"threads_base={base[2]} threads_warm={warm[2]} threads_end={end[2]} threads_closed={rest[2]} in_flight={end[3]}")
    if end[0] > warm[0] + KIB_MORE:
        fail(f"resident memory grew from {warm[0]} to {end[0]} KiB")
    # Those of the loop's executor stay.
    if rest[1] != base[1] or end[2] > warm[2] + THREADS_MORE:
        fail(f"descriptors {base[1]} to {rest[1]}, threads {warm[2]} to {end[2]}")
    if live_handles() or load.accepted != load.ended:
        fail(f"handles are left: {live_handles()}; {load.ended} of {load.accepted} operations ended")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
