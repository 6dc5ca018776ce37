"""examples/python/aipool.py against the sandbox."""

import asyncio
import builtins
import ctypes
import gc
import os
import pathlib
import re
import select
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request

import aipool
from aipool import ConnectionPool, Delivery, Detail, Phase, Status

ROOT = pathlib.Path(__file__).resolve().parents[2]
HTTP, HTTPS = os.environ["AIPOOL_SANDBOX_HTTP"], os.environ["AIPOOL_SANDBOX_HTTPS"]
HANDLES = ("pools", "sessions", "responses", "cancels", "queues", "uploads", "clients")
NOTHING = dict.fromkeys(HANDLES, 0)


def handles():
    gc.collect()
    stats = aipool.stats()
    return {kind: stats[kind] for kind in HANDLES}


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def threads():
    return len(os.listdir("/proc/self/task"))


def comes_true(condition):
    """Within ten seconds: what the library's own threads end, they end a moment later."""
    until = time.monotonic() + 10
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    return condition()


async def control(path, method="GET"):
    request = urllib.request.Request(HTTP + "/control/" + path, method=method)

    def ask():
        with urllib.request.urlopen(request) as answer:
            return answer.read().decode()

    return await asyncio.get_running_loop().run_in_executor(None, ask)


def chat(words, **more):
    return dict(json={"model": "m", "stream": True, "messages": [{"role": "user", "content": words}]}, stream=True, **more)


def fault(text):
    return {"x-sandbox": text}


class WithPool(unittest.IsolatedAsyncioTestCase):
    """A pool and a session to the sandbox; in the end nothing of it may be left."""

    async def asyncSetUp(self):
        self.pool = ConnectionPool(max_size=10, timeout=20)
        self.session = await self.pool.get_session(HTTP)

    async def asyncTearDown(self):
        await self.pool.close()
        del self.session, self.pool

    def tearDown(self):
        self.addCleanup(lambda: self.assertEqual(handles(), NOTHING))

    async def fails(self, kind, sending):
        with self.assertRaises(kind) as caught:
            async with sending as response:
                await response.read()
        return caught.exception


class Requests(WithPool):
    async def echo(self, *arguments, **more):
        async with self.session.request(*arguments, **more) as response:
            self.assertEqual(response.status, 200)
            head, _, body = (await response.text()).partition("\n\n")
            return head.split("\n"), body

    async def test_get_and_what_a_response_has(self):
        async with self.session.get("/echo") as response:
            self.assertEqual(response.status, 200)
            self.assertTrue(response.ok)
            response.raise_for_status()
            self.assertEqual(response.headers["X-Dup"], "one")
            self.assertEqual(response.headers.getall("x-dup"), ["one", "two"])
            self.assertNotIn("x-none", response.headers)
            self.assertEqual(response.url, "/echo")
            self.assertEqual(response.info.http_version, 11)
            self.assertEqual(await response.read(), await response.read())
        async with self.session.get(HTTP + "/v1/models") as response:
            self.assertEqual((await response.json())["object"], "list")
            self.assertEqual(response.info.reused, 1)
        response = await self.session.get("/bytes/0")
        self.assertEqual(await response.text(), "")

    async def test_bodies(self):
        for argument, body, content_type in (
            (dict(json={"ключ": [1, None]}), '{"\\u043a\\u043b\\u044e\\u0447": [1, null]}', "application/json"),
            (dict(json=None), "null", "application/json"),
            (dict(data="текст"), "текст", None),
            (dict(data=b"a\0b"), "a\0b", None),
            (dict(data={"a": "1 2", "b": ["x", "y"]}), "a=1+2&b=x&b=y", "application/x-www-form-urlencoded"),
            (dict(json=1, headers={"Content-Type": "text/x"}), "1", "text/x"),
        ):
            head, came = await self.echo("POST", "/echo", **argument)
            self.assertEqual(came, body)
            types = [line.partition(": ")[2] for line in head if line.startswith("content-type: ")]
            self.assertEqual(types, [content_type] if content_type else [])

    async def test_params_and_headers(self):
        head, _ = await self.echo("PUT", "/echo?z=1#f", params={"a": "б в", "l": [1, 2]}, headers=[("X-A", 1), ("X-A", 2)])
        self.assertEqual(head[0], "PUT /echo?z=1&a=%D0%B1+%D0%B2&l=1&l=2 HTTP/1.1")
        self.assertEqual([line for line in head if line.startswith("x-a")], ["x-a: 1", "x-a: 2"])
        session = await self.pool.get_session(HTTP, headers={"x-of-session": "yes"})
        async with session.get("/echo") as response:
            self.assertIn("x-of-session: yes", await response.text())

    async def test_wrong_arguments_are_refused_by_name(self):
        for wrong, word in (
            (dict(cookies={}), "'cookies'"),
            (dict(url_len=1), "'url_len'"),
            (dict(flags=1), "'flags'"),
            (dict(ssl=False), "get_session"),
            (dict(data=1), "int"),
        ):
            with self.assertRaisesRegex(TypeError, word):
                self.session.get("/echo", **wrong)
        for wrong in (dict(timeout=0), dict(json=1, data=b""), dict(headers={"a": "b\0c"})):
            with self.assertRaises(ValueError):
                self.session.get("/echo", **wrong)
        with self.assertRaises(OverflowError):
            self.session.get("/echo", event_format=1 << 40)
        with self.assertRaisesRegex(TypeError, "'limit'"):
            ConnectionPool(limit=3)
        with self.assertRaisesRegex(TypeError, "'connector'"):
            await self.pool.get_session(HTTP, connector=None)
        error = await self.fails(aipool.InvalidArgument, self.session.get("/echo", headers={"a b": "c"}))
        self.assertIsInstance(error, ValueError)
        with self.assertRaises(aipool.InvalidArgument):
            ConnectionPool(max_size=-7)

    async def test_tls(self):
        session = await self.pool.get_session(HTTPS, ca_file=os.environ["AIPOOL_SANDBOX_CA_PEM"], trust=1)
        async with session.get("/v1/models") as response:
            self.assertEqual(response.info.http_version, 20)
        session = await self.pool.get_session(HTTPS, ssl=False, partition="anybody")
        async with session.get("/v1/models") as response:
            self.assertEqual(response.info.insecure, 1)
        session = await self.pool.get_session(HTTPS, pins=b"\0" * 32, partition="nobody")
        error = await self.fails(aipool.TLSError, session.get("/v1/models"))
        self.assertEqual((error.detail, error.delivery), (Detail.WRONG_PIN, Delivery.NOT_SENT))

    async def test_a_request_that_ends_before_its_upload_begins_leaves_nothing(self):
        async def pieces():
            yield b"never asked for"

        sending = self.session.post("http://127.0.0.1:1/", data=pieces())
        # To where it waits, and its end is taken before the loop's next turn, in which the pushing would begin.
        sending.send(None)
        channel = self.pool._channel()
        while not channel._drain():
            select.select([channel._fd], [], [], 10)
        with self.assertRaises(aipool.ConnectionError):
            sending.send(None)
        await asyncio.sleep(0)
        self.assertEqual(handles()["uploads"], 0)

    async def test_an_async_iterable_is_uploaded(self):
        async def pieces():
            for _ in range(40):
                yield b"x" * 100_000
                await asyncio.sleep(0)

        _, body = await self.echo("POST", "/echo", data=pieces())
        self.assertEqual(len(body), 4_000_000)

        async def breaks():
            yield b"x"
            raise KeyError("no more")

        await self.fails(KeyError, self.session.post("/echo", data=breaks()))

        async def endless():
            while True:
                yield b"x" * 1000
                await asyncio.sleep(0.001)

        sending = self.session.post("/echo", data=endless(), headers=fault("close-upload=9"))
        error = await self.fails(aipool.ConnectionError, sending)
        self.assertEqual(error.status, Status.RESET)


class Errors(WithPool):
    async def test_a_status_is_a_response(self):
        async with self.session.get("/status/503") as response:
            self.assertFalse(response.ok)
            with self.assertRaises(aipool.ResponseError) as caught:
                response.raise_for_status()
            self.assertEqual(caught.exception.http_status, 503)

    async def test_nobody_listens(self):
        session = await self.pool.get_session("http://127.0.0.1:1")
        error = await self.fails(aipool.ConnectionError, session.get("/"))
        self.assertIsInstance(error, builtins.ConnectionError)
        self.assertEqual(
            (error.status, error.phase, error.delivery, error.retryable),
            (Status.CONNECT, Phase.CONNECT, Delivery.NOT_SENT, True),
        )
        self.assertGreater(error.os_error, 0)
        self.assertTrue(str(error).startswith("CONNECT: "), str(error))
        self.assertIn(error.message, str(error))

    async def test_faults(self):
        for text, kind, status in (
            ("reset", aipool.ConnectionError, Status.RESET),
            ("close", aipool.ConnectionError, Status.RESET),
            ("truncate=3", aipool.BodyError, Status.TRUNCATED),
        ):
            error = await self.fails(kind, self.session.post("/echo", data="hello", headers=fault(text)))
            self.assertEqual((text, error.status, error.retryable), (text, status, False))
            self.assertNotEqual(error.delivery, Delivery.NOT_SENT)

    async def test_what_came_of_a_body(self):
        error = await self.fails(aipool.BodyError, self.session.get("/bytes/1000", headers=fault("truncate=300")))
        self.assertEqual(await error.response.read(), b"a" * 300)
        error = await self.fails(aipool.BodyError, self.session.get("/bytes/1000", max_body_bytes=10))
        self.assertEqual((error.status, error.response.status), (Status.TOO_LARGE, 200))

    async def test_timeouts(self):
        for sending, detail in (
            (self.session.get("/echo", headers=fault("delay=5000"), timeout=0.1), Detail.TOTAL_LIMIT),
            (self.session.get("/echo", headers=fault("stall-head"), first_byte_timeout_ms=100), Detail.FIRST_BYTE_LIMIT),
            (self.session.post(Streams.path, **chat("a b", headers=fault("drip=5000"), timeout=0.2)), Detail.TOTAL_LIMIT),
        ):
            error = await self.fails(asyncio.TimeoutError, sending)
            self.assertIsInstance(error, aipool.TimeoutError)
            self.assertEqual((error.status, error.detail), (Status.TIMEOUT, detail))
        with self.assertRaises(asyncio.TimeoutError):
            await asyncio.wait_for(self.session.get("/echo", headers=fault("stall-head"), timeout=None), 0.1)


class Streams(WithPool):
    path = "/v1/chat/completions"

    async def test_events(self):
        async with self.session.post(self.path, **chat("one two three", end_marker="[DONE]")) as response:
            self.assertEqual(response.status, 200)
            events = [event async for event in response.events()]
        self.assertEqual(events[-1], ("[DONE]", "message", "", None, False))
        self.assertGreater(len(events), 4)

    async def test_tokens(self):
        async with self.session.post(self.path, **chat("раз два три")) as response:
            self.assertEqual("".join([token async for token in response.tokens()]), "You said: раз два три")

    async def test_events_come_while_they_come(self):
        loop = asyncio.get_running_loop()
        times = []
        async with self.session.post(self.path, **chat("one two three four", headers=fault("drip=50"))) as response:
            async for _ in response.events():
                times.append(loop.time())
        self.assertGreater(times[-1] - times[0], 0.2)

    async def test_chunks(self):
        async with self.session.get("/bytes/300000", stream=True) as response:
            self.assertEqual(sum([len(chunk) async for chunk in response.content]), 300000)
        async with self.session.get("/bytes/3000", stream=True) as response:
            sizes = [len(chunk) async for chunk in response.content.iter_chunked(100)]
            self.assertEqual((sum(sizes), max(sizes)), (3000, 100))
        async with self.session.get("/bytes/5000", stream=True) as response:
            self.assertEqual(len(await response.text()), 5000)
            self.assertEqual(len(await response.read()), 5000)
        async with self.session.get("/bytes/5000") as response:
            self.assertEqual([len(chunk) async for chunk in response.content.iter_chunked(3000)], [3000, 2000])
            with self.assertRaisesRegex(aipool.ClosedError, "stream=True"):
                await response.events().__anext__()

    async def test_streams_that_break(self):
        async def read(**more):
            async with self.session.post(self.path, **chat("one two three", **more)) as response:
                return [event async for event in response.events()]

        await read(headers=fault("no-done"))
        for text in ("no-done", "cut-after=2"):
            with self.assertRaises(aipool.BodyError) as caught:
                await read(headers=fault(text), end_marker="[DONE]")
            self.assertEqual(caught.exception.status, Status.TRUNCATED)

    async def test_left_streams_are_given_up(self):
        async with self.session.post(self.path, **chat("one two", headers=fault("drip=60000"))) as response:
            async for _ in response.events():
                break
        with self.assertRaises(aipool.ClosedError):
            await response.read()
        response = await self.session.get("/bytes/1000", stream=True, headers=fault("stall=1"))
        del response
        await asyncio.sleep(0)  # the loop's present turn refers to it yet
        self.assertEqual(handles()["responses"], 0)

    async def test_a_waiting_reader_is_cancelled(self):
        reads = asyncio.Event()

        async def read():
            async with self.session.get("/bytes/1000", stream=True, headers=fault("stall=100")) as response:
                reads.set()
                await response.read()

        reading = asyncio.ensure_future(read())
        await reads.wait()
        reading.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await reading
        self.assertEqual(handles()["responses"], 0)


class Cancelling(WithPool):
    async def test_the_server_sees_it(self):
        asking = asyncio.ensure_future(self.session.get("/hold/python"))
        await asyncio.sleep(0)
        await control("wait-held/python")
        asking.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await asking
        await control("wait-gone/python")

    async def test_many(self):
        asking = [asyncio.ensure_future(self.session.get("/echo")) for _ in range(200)]
        for number, one in enumerate(asking):
            if number % 3 == 0:
                one.cancel()
            elif number % 3 == 1:
                asyncio.get_running_loop().call_later(number / 20000, one.cancel)
        answers = await asyncio.gather(*asking, return_exceptions=True)
        for answer in answers:
            self.assertIsInstance(answer, (aipool.Response, asyncio.CancelledError))
        self.assertGreater(sum(isinstance(answer, aipool.Response) for answer in answers), 60)

    async def test_before_it_began(self):
        asking = asyncio.create_task(self.session.get("/echo"))
        asking.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await asking


class Many(WithPool):
    async def test_500_at_once_take_no_threads(self):
        before = threads()
        most = 0

        async def ask(number):
            nonlocal most
            async with self.session.get(f"/echo?{number}") as response:
                most = max(most, threads())
                return (await response.text()).split("\n")[0]

        answers = await asyncio.gather(*map(ask, range(500)))
        self.assertEqual(answers, [f"GET /echo?{number} HTTP/1.1" for number in range(500)])
        self.assertLessEqual(most, before + 1)
        self.assertLessEqual(self.pool.stats()["connections_opened"], 64)

    async def test_100_streams_at_once(self):
        async def ask(number):
            async with self.session.post("/v1/chat/completions", **chat(f"word {number}", headers=fault("drip=5"))) as response:
                return "".join([token async for token in response.tokens()])

        answers = await asyncio.gather(*map(ask, range(100)))
        self.assertEqual(answers, [f"You said: word {number}" for number in range(100)])

    async def test_loops_in_threads_share_a_pool(self):
        answers = []

        async def some():
            session = await self.pool.get_session(HTTP)
            assert session is self.session

            async def ask():
                async with session.get("/bytes/10") as response:
                    return len(await response.read())

            answers.extend(await asyncio.gather(*(ask() for _ in range(50))))

        workers = [threading.Thread(target=asyncio.run, args=(some(),)) for _ in range(4)]
        for worker in workers:
            worker.start()
        await some()
        for worker in workers:
            await asyncio.get_running_loop().run_in_executor(None, worker.join)
        self.assertEqual(answers, [10] * 250)
        self.assertLessEqual(handles()["queues"], 5)


class Pools(WithPool):
    async def test_one_key_is_one_session(self):
        sessions = await asyncio.gather(*(self.pool.get_session(HTTP + "/") for _ in range(20)))
        self.assertTrue(all(session is self.session for session in sessions))
        mine = await self.pool.get_session(HTTP, timeout=1)
        self.assertEqual((mine, hash(mine)), (self.session, hash(self.session)))
        self.assertNotEqual(await self.pool.get_session(HTTP, partition="other"), self.session)
        self.assertEqual(self.session.stats()["requests"], 0)

    async def test_closing_a_session(self):
        await self.session.close()
        self.assertTrue(self.session.closed)
        error = await self.fails(aipool.ClosedError, self.session.get("/echo"))
        self.assertEqual(error.detail, Detail.SESSION_CLOSED)
        fresh = await self.pool.get_session(HTTP)
        self.assertFalse(fresh.closed)
        self.assertNotEqual(fresh, self.session)
        await self.pool.close_session(HTTP)
        self.assertTrue(fresh.closed)

    async def test_eviction_and_leases(self):
        async with ConnectionPool(max_size=2) as pool:
            async with pool.acquire(HTTP + "/0") as leased:
                others = [await pool.get_session(f"{HTTP}/{n}") for n in (1, 2, 3)]
                self.assertFalse(leased.closed)
                self.assertEqual([other.closed for other in others], [True, True, False])
            self.assertEqual(pool.stats()["evictions"], 2)

    async def test_close_all_waits_and_the_pool_goes_on(self):
        asking = asyncio.ensure_future(self.session.get("/echo", headers=fault("delay=100")))
        await asyncio.sleep(0)
        self.assertTrue(await self.pool.close_all())
        self.assertEqual((await asking).status, 200)
        async with (await self.pool.get_session(HTTP)).get("/echo") as response:
            self.assertEqual(response.status, 200)

    async def test_close_all_cuts(self):
        asking = asyncio.ensure_future(self.session.get("/hold/python-cut"))
        await asyncio.sleep(0)
        await control("wait-held/python-cut")
        self.assertFalse(await self.pool.close_all(drain=0.05))
        with self.assertRaises(aipool.ClosedError) as caught:
            await asking
        self.assertEqual(caught.exception.detail, Detail.DRAIN_LIMIT)

    async def test_a_closed_pool(self):
        waiting = asyncio.ensure_future(self.session.get("/hold/python-closed"))
        response = await self.session.get("/bytes/1000", stream=True, headers=fault("stall=10"))
        reading = asyncio.ensure_future(response.read())
        await control("wait-held/python-closed")
        self.assertFalse(await self.pool.close(drain=0))
        self.assertTrue(await self.pool.close())
        for one in (waiting, reading):
            with self.assertRaises(aipool.ClosedError):
                await one
        with self.assertRaises(aipool.Error):
            await self.pool.get_session(HTTP)
        with self.assertRaises(aipool.Error):
            await self.session.get("/echo")

    async def test_the_global_pool(self):
        pool = aipool.get_global_pool()
        self.assertIs(aipool.get_global_pool(), pool)
        session = await pool.get_session(HTTP)
        async with session.get("/echo") as response:
            self.assertEqual(response.status, 200)
        with self.assertRaises(aipool.InvalidArgument):
            aipool.get_global_pool(max_size=3)
        self.assertTrue(await aipool.close_global_pool())
        self.assertTrue(session.closed)
        other = aipool.get_global_pool(max_size=3)
        self.assertIsNot(other, pool)
        await aipool.close_global_pool()
        await aipool.close_global_pool()


class Leaks(unittest.TestCase):
    def tearDown(self):
        self.assertEqual(handles(), NOTHING)

    def test_who_closes_nothing_leaks_nothing(self):
        async def careless():
            asyncio.get_running_loop().set_exception_handler(lambda *_: None)
            pool = ConnectionPool()
            session = await pool.get_session(HTTP)
            async with session.get("/echo") as response:
                await response.read()
            stream = await session.get("/bytes/1000", stream=True, headers=fault("stall=1"))
            waiting = [session.get("/echo", headers=fault("stall-head")), stream.read()]
            tasks = [asyncio.ensure_future(one) for one in waiting]
            await asyncio.sleep(0.01)
            return tasks

        for _ in range(5):
            asyncio.run(careless())
        self.assertEqual(handles(), NOTHING)
        for _ in range(5):
            loop = asyncio.new_event_loop()
            loop.run_until_complete(careless())
            loop.close()  # with its tasks midway
        del loop
        gc.collect()  # tasks, then what they had
        self.assertEqual(handles(), NOTHING)
        self.assertTrue(comes_true(lambda: descriptors() <= 20), descriptors())

    def test_a_pool_over_many_loops(self):
        pool = ConnectionPool()

        async def ask():
            session = await pool.get_session(HTTP)
            async with session.get("/echo") as response:
                return response.status

        for _ in range(20):
            self.assertEqual(asyncio.run(ask()), 200)
        self.assertLessEqual(handles()["queues"], 1)
        self.assertEqual(pool.stats()["connections_opened"], 1)
        asyncio.run(pool.close())

    def test_a_child_starts_afresh(self):
        async def ask():
            session = await aipool.get_global_pool().get_session(HTTP)
            async with session.get("/echo") as response:
                return response.status

        self.assertEqual(asyncio.run(ask()), 200)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = 0 if asyncio.run(ask()) == 200 else 2
            finally:
                os._exit(status)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.assertEqual(asyncio.run(ask()), 200)
        asyncio.run(aipool.close_global_pool())


class Abi(unittest.TestCase):
    def test_layout(self):
        """Every field is where the C compiler has it."""
        lines = []
        for kind in (value for value in vars(aipool).values() if isinstance(value, type) and issubclass(value, ctypes.Structure)):
            name = {"_Failure": "aip_error", "_ClientCall": "aip_call"}.get(kind.__name__) or "aip" + re.sub("([A-Z])", r"_\1", kind.__name__[1:]).lower()
            lines.append(f"_Static_assert(sizeof({name}) == {ctypes.sizeof(kind)}, \"{name}\");")
            for field, _ in kind._fields_:
                at = getattr(kind, field)
                lines.append(f"_Static_assert(offsetof({name}, {field}) == {at.offset}, \"{name}.{field}\");")
                lines.append(f"_Static_assert(sizeof((({name} *)0)->{field}) == {at.size}, \"{name}.{field}\");")
        self.assertGreater(len(lines), 300)
        source = "#include <aipool.h>\n" + "\n".join(lines) + "\n"
        flags = ["-std=c11", "-fsyntax-only", "-I", str(ROOT / "include"), "-x", "c", "-"]
        subprocess.run([os.environ.get("CC", "cc"), *flags], input=source, text=True, check=True)

    def test_numbers(self):
        header = (ROOT / "include/aipool.h").read_text()
        for kind, prefix in ((Status, "AIP_"), (Detail, "AIP_DETAIL_"), (Phase, "AIP_PHASE_"), (Delivery, "AIP_")):
            body = re.search(r"enum aip_%s\n.*?\n};" % kind.__name__.lower(), header, re.S).group()
            numbers = {name: int(number) for name, number in re.findall(r"^ +AIP_(\w+) = (\d+),", body, re.M)}
            self.assertEqual({prefix[4:] + one.name: one.value for one in kind}, numbers)

    def test_a_library_that_does_not_fit(self):
        def imports(path):
            environment = dict(os.environ, AIPOOL_LIBRARY=path, PYTHONPATH=str(ROOT / "examples/python"))
            command = [sys.executable, "-B", "-c", "import aipool"]
            return subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True).stderr.splitlines()[-1]

        self.assertIn("AIPOOL_LIBRARY", imports("/nowhere/libaipool.so"))
        self.assertIn("ImportError: no libaipool", imports("libc.so.6"))
        with tempfile.TemporaryDirectory() as place:
            library = place + "/other.so"
            command = [os.environ.get("CC", "cc"), "-shared", "-fPIC", "-o", library, "-x", "c", "-"]
            subprocess.run(command, input="unsigned aip_abi_version(void) { return 7; }", text=True, check=True)
            self.assertIn("has ABI 7, and this file needs 1", imports(library))
