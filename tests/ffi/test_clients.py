"""The clients of examples/python/aipool.py against the sandbox."""

import asyncio
import gc
import json
import os
import threading
import unittest
import unittest.mock

import aipool
from aipool import Delivery, Detail, LLMCallError, LLMNotConfiguredError, Status
from test_aipool import NOTHING, control, handles, threads

CHAT = "/v1/chat/completions"
WEATHER = {"name": "weather", "description": "The weather.", "parameters": {"type": "object"}}


class Listener:
    """A fresh port of the sandbox, with settings and counters of its own."""

    @classmethod
    async def open(cls):
        listener = cls()
        fields = dict(line.split("=", 1) for line in (await control("listeners", "POST")).splitlines())
        listener.id, listener.http = fields["id"], fields["http"]
        return listener

    async def set(self, settings):
        await control(f"set?id={self.id}&{settings}", "POST")

    async def arm(self, path, faults, count=1):
        await control(f"arm?id={self.id}&path={path}&faults={faults}&count={count}", "POST")

    async def count(self, name):
        return int((await control(f"counters?id={self.id}&name={name}")).partition("=")[2])

    async def opened(self):
        return int((await control(f"stats?id={self.id}")).partition("connections_opened=")[2].partition("\n")[0])

    async def last(self, path):
        return json.loads(await control(f"last?id={self.id}&path={path}"))


class WithListener(unittest.IsolatedAsyncioTestCase):
    """In the end nothing may be left."""

    async def asyncSetUp(self):
        self.listener = await Listener.open()

    async def asyncTearDown(self):
        await aipool.close_global_pool()

    def tearDown(self):
        self.addCleanup(lambda: self.assertEqual(handles(), NOTHING))

    def client(self, **options):
        options = dict(dict(base_url=self.listener.http + "/v1", api_key="sk-planted", model="sandbox-1"), **options)
        return aipool.OpenAIClient(environment=False, **options)

    async def fails(self, asking, kind=LLMCallError):
        with self.assertRaises(kind) as caught:
            await asking
        return caught.exception


async def read(stream):
    """All parts, and the text that they make."""
    parts, text = [], ""
    async with stream:
        async for delta in stream:
            parts.append(delta)
            text = text + delta.text if delta.kind == "text" else delta.text if delta.kind == "replace" else text
    return parts, text


def faulty(faults, **more):
    return dict(headers={"x-sandbox": faults}, **more)


class OpenAI(WithListener):
    async def test_generate(self):
        client = self.client()
        answer = await client.generate(
            "один два", temperature=0, max_tokens=50, system_prompt="Be short.", response_format="json", seed=0, stop=["\n\n"]
        )
        self.assertEqual(set(answer), {"text", "usage", "raw"})
        self.assertEqual(answer["text"], "You said: один два")
        self.assertEqual(answer["raw"]["choices"][0]["message"]["content"], answer["text"])
        self.assertGreater(answer["usage"]["total_tokens"], 0)
        self.assertNotIn("reasoning_tokens", answer["usage"])
        last = await self.listener.last(CHAT)
        body = last["body"] if isinstance(last["body"], dict) else json.loads(last["body"])
        self.assertEqual((body["temperature"], body["seed"], body["stop"]), (0, 0, ["\n\n"]))
        self.assertEqual(body["messages"][0], {"role": "system", "content": "Be short."})
        self.assertEqual(body["response_format"]["type"], "json_object")
        self.assertEqual(last["headers"]["authorization"], "Bearer sk-planted")
        await client.generate("x", response_format={"type": "object"}, extra={"user": "me"})
        body = (await self.listener.last(CHAT))["body"]
        body = body if isinstance(body, dict) else json.loads(body)
        self.assertEqual((body["response_format"]["type"], body["user"]), ("json_schema", "me"))
        self.assertNotIn("temperature", body)

    async def test_it_is_over_the_global_pool_and_its_session_stays(self):
        client = self.client()
        await client.generate("one")
        pool = aipool.get_global_pool()
        session = await client._get_session(use_pool=True)
        self.assertEqual(session, await pool.get_session(self.listener.http + "/v1"))
        self.assertIsInstance(session, aipool.Session)
        await client.close()
        self.assertFalse(session.closed)
        async with session.get("/models") as response:
            self.assertEqual(response.status, 200)
        self.assertEqual(await self.listener.opened(), 1)
        error = await self.fails(client.generate("closed"))
        self.assertEqual((error.status, error.delivery), (Status.CLOSED, Delivery.NOT_SENT))
        async with self.client() as other:
            await aipool.close_global_pool()
            await other.generate("over the next global pool")

    async def test_a_session_of_its_own(self):
        client = self.client()
        own, other = await client._get_session(use_pool=False), await client.get_session(use_pool=False)
        self.assertNotEqual(own, other)
        self.assertEqual(aipool.get_global_pool().stats()["sessions"], 0)
        async with own.get("/models") as response:
            self.assertEqual((await response.json())["object"], "list")
        await own.close()
        self.assertEqual((own.closed, other.closed), (True, False))
        alone = self.client(use_pool=False)
        await alone.generate("one")
        await alone.generate("two")
        self.assertEqual(aipool.get_global_pool().stats()["sessions"], 0)
        del own, other, alone
        gc.collect()

    async def test_a_pool_that_is_given(self):
        async with aipool.ConnectionPool(max_size=2) as pool:
            client = self.client(pool=pool)
            await asyncio.gather(*(client.generate(f"number {n}") for n in range(5)))
            stats = pool.stats()
            self.assertEqual((stats["sessions"], stats["requests"]), (1, 5))
        error = await self.fails(client.generate("closed"))
        self.assertEqual(error.status, Status.CLOSED)
        self.assertIsInstance(error.__cause__, aipool.ClosedError)

    async def test_a_talk_with_tools(self):
        client = self.client()
        for streams in (False, True):
            messages = [{"role": "system", "content": "You know the weather."}, {"role": "user", "content": "weather?"}]
            if streams:
                stream = client.stream(messages, tools=[WEATHER], tool_choice="auto")
                self.assertIsNone(stream.reply)
                parts, _ = await read(stream)
                pieces = [part for part in parts if part.kind == "tool"]
                self.assertEqual((pieces[0].name, pieces[0].index), ("weather", 0))
                answer = stream.reply
                self.assertEqual("".join(piece.text for piece in pieces), answer["tool_calls"][0]["function"]["arguments"])
            else:
                answer = await client.chat(messages, tools=[WEATHER])
            self.assertEqual((answer["finish_reason"], answer["finish"]), ("tool", "tool_calls"))
            call = answer["tool_calls"][0]
            json.loads(call["function"]["arguments"])
            messages += [answer["message"], {"role": "tool", "tool_call_id": call["id"], "name": "weather", "content": '{"t": 1}'}]
            answer = await client.chat(messages, tools=[WEATHER])
            self.assertEqual((answer["finish_reason"], answer["tool_calls"]), ("stop", []))
            self.assertTrue(answer["text"])

    async def test_stream(self):
        client = self.client()
        whole = await client.chat([{"role": "user", "content": "раз два три"}])
        stream = client.stream("раз два три")
        parts, text = await read(stream)
        self.assertEqual((text, parts[-1].kind), (whole["text"], "done"))
        self.assertGreater(len(parts), 4)
        self.assertEqual((stream.reply["text"], stream.reply["usage"]), (text, whole["usage"]))
        self.assertEqual(stream.reply["finish_reason"], "stop")
        self.assertEqual(await self.listener.opened(), 1)
        with self.assertRaises(StopAsyncIteration):
            await stream.__anext__()
        thinks = client.stream("x", **faulty("reasoning"))
        parts, _ = await read(thinks)
        self.assertEqual("".join(part.text for part in parts if part.kind == "reasoning"), thinks.reply["reasoning"])
        self.assertTrue(thinks.reply["reasoning"])

    async def test_parts_come_while_they_come(self):
        loop, times = asyncio.get_running_loop(), []
        async for _ in self.client().stream("one two three four", **faulty("drip=50")):
            times.append(loop.time())
        self.assertGreater(times[-1] - times[0], 0.2)

    async def test_streams_that_are_left_are_given_up(self):
        client = self.client()
        async with client.stream("one two", **faulty("drip=500")) as stream:
            async for delta in stream:
                break
        self.assertEqual(handles()["responses"], 0)
        with self.assertRaises(StopAsyncIteration):
            await stream.__anext__()
        stream = client.stream("one two", **faulty("drip=500"))
        await stream.__anext__()
        del stream
        await asyncio.sleep(0)
        self.assertEqual(handles()["responses"], 0)

    async def test_cancelling_the_task_cancels_the_call(self):
        client = self.client()
        for asking in (client.generate("x", **faulty("hold=python-llm")), read(client.stream("x", **faulty("hold=python-llm")))):
            task = asyncio.ensure_future(asking)
            await asyncio.sleep(0)
            await control("wait-held/python-llm")
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            await control("wait-gone/python-llm")
        stream, came = client.stream("one two", **faulty("drip=500")), asyncio.Event()

        async def reads():
            async for _ in stream:
                came.set()

        task = asyncio.ensure_future(reads())
        await came.wait()
        task.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await task
        self.assertEqual(handles()["responses"], 0)
        with self.assertRaises(asyncio.TimeoutError):
            await asyncio.wait_for(client.generate("x", **faulty("stall-head")), 0.1)
        self.assertEqual((await client.generate("goes on"))["text"], "You said: goes on")

    async def test_refusals(self):
        client = self.client(max_retries=-1)
        for name, status, detail, http, words in (
            ("openai-auth", Status.AUTH, Detail.NONE, 401, "Incorrect API key provided"),
            ("openai-rate", Status.RATE_LIMITED, Detail.NONE, 429, "Rate limit"),
            ("openai-insufficient-quota", Status.QUOTA, Detail.NONE, 429, "exceeded your current quota"),
            ("openai-context", Status.PROVIDER, Detail.CONTEXT_OVERFLOW, 400, "maximum context length"),
        ):
            for asking in (
                client.generate("hi", **faulty(f"error={name},retry-after=0.002")),
                read(client.stream("hi", **faulty(f"error={name},retry-after=0.002"))),
            ):
                error = await self.fails(asking)
                self.assertIsInstance(error, RuntimeError)
                self.assertEqual((error.status, error.detail, error.http_status), (status, detail, http), name)
                self.assertIn(words, error.text)
                self.assertTrue(error.code, name)
                self.assertNotIn(words, str(error))
                self.assertEqual(error.response.status, http)
        self.assertEqual(error.__cause__.status, error.status)

    async def test_how_long_to_wait(self):
        client = self.client(pacing=-1, max_retries=-1)
        error = await self.fails(client.generate("hi", **faulty("error=openai-rate,retry-after=500")))
        self.assertEqual((error.retry_after, error.retryable), (500.0, True))
        self.assertIsNone((await self.fails(client.generate("hi", **faulty("error=openai-auth")))).retry_after)

    async def test_load_is_tried_again(self):
        await self.listener.arm(CHAT, "error=openai-rate,retry-after-ms=1")
        await self.client().generate("hi")
        self.assertEqual(await self.listener.count(f"requests:{CHAT}"), 2)

    async def test_failures_of_all_kinds_are_of_one_class(self):
        client = self.client(max_retries=-1, breaker_failures=-1)
        for faults, options, status, detail in (
            ("reset", {}, Status.RESET, Detail.NONE),
            ("delay=5000", dict(timeout=0.1), Status.TIMEOUT, Detail.TOTAL_LIMIT),
            ("stall-head", dict(first_byte_timeout_ms=100), Status.TIMEOUT, Detail.FIRST_BYTE_LIMIT),
            ("status=500", {}, Status.PROVIDER, Detail.SERVER_ERROR),
            ("html", {}, Status.PROVIDER, Detail.NOT_JSON),
        ):
            error = await self.fails(client.generate("hi", **faulty(faults, **options)))
            self.assertEqual((error.status, error.detail), (status, detail), faults)
        self.assertIsInstance((await self.fails(client.generate("hi", **faulty("reset")))).__cause__, ConnectionError)
        nobody = self.client(base_url="http://127.0.0.1:1/v1")
        error = await self.fails(nobody.generate("hi"))
        self.assertEqual((error.status, error.delivery, error.response), (Status.CONNECT, Delivery.NOT_SENT, None))

    async def test_streams_that_break(self):
        client = self.client()
        for faults, status in (("error-event=2", None), ("cut-after=3", None), ("end-at=1000", Status.TRUNCATED)):
            stream = client.stream("one two three four", **faulty(faults))
            error = await self.fails(read(stream))
            self.assertEqual(error.delivery, Delivery.RESPONSE_STARTED)
            self.assertTrue(stream.reply["text"], faults)
            if status:
                self.assertEqual(error.status, status)
            if faults.startswith("error"):
                self.assertTrue(error.text)
        self.assertEqual((await client.generate("goes on"))["text"], "You said: goes on")

    async def test_not_configured(self):
        client = self.client(base_url=None, api_key=None)
        self.assertFalse(client.is_configured)
        error = await self.fails(client.generate("hi"), LLMNotConfiguredError)
        self.assertIsInstance(error, RuntimeError)
        self.assertEqual((error.status, error.delivery), (Status.NOT_CONFIGURED, Delivery.NOT_SENT))
        self.assertIn("OPENAI_API_KEY", str(error))
        self.assertTrue(self.client().is_configured)

    async def test_the_environment(self):
        names = {"OPENAI_BASE_URL": self.listener.http + "/v1", "OPENAI_API_KEY": "sk-env", "OPENAI_MODEL": "sandbox-2"}
        with unittest.mock.patch.dict(os.environ, names):
            client, given = aipool.OpenAIClient(), aipool.OpenAIClient(api_key="sk-given")
            self.assertFalse(self.client(base_url=None, api_key=None).is_configured)
        for one, key in ((client, "sk-env"), (given, "sk-given")):
            self.assertTrue(one.is_configured)
            await one.generate("hi")
            self.assertEqual((await self.listener.last(CHAT))["headers"]["authorization"], f"Bearer {key}")

    async def test_wrong_arguments(self):
        for wrong, word in ((dict(folders="x"), "'folders'"), (dict(kind=2), "'kind'"), (dict(flags=2), "'flags'")):
            with self.assertRaisesRegex(TypeError, word):
                self.client(**wrong)
        with self.assertRaises(aipool.InvalidArgument) as caught:
            self.client(api_key="sk-secret\n\u043f")
        self.assertNotIn("secret", str(caught.exception))
        client = self.client()
        for wrong, kind, word in (
            (dict(cookies={}), TypeError, "'cookies'"),
            (dict(stop="x"), TypeError, "list"),
            (dict(method="GET"), TypeError, "'method'"),
            (dict(response_format="xml"), ValueError, "'xml'"),
            (dict(timeout=0), ValueError, "timeout"),
            (dict(temperature=7), aipool.InvalidArgument, "temperature"),
        ):
            with self.assertRaisesRegex(kind, word):
                await client.generate("hi", **wrong)
        for message, kind in (
            ({"role": "robot", "content": "x"}, ValueError),
            ({"role": "user", "content": ["x"]}, TypeError),
            ({"role": "user", "content": "x", "refusal": None}, ValueError),
        ):
            with self.assertRaises(kind):
                await client.chat([message])
        with self.assertRaises(aipool.InvalidArgument):
            await client.chat([])
        raw = {"role": "user", "content": [{"type": "text", "text": "in parts"}]}
        await client.chat([{"raw": raw}])
        self.assertEqual(await self.listener.count(f"requests:{CHAT}"), 1)

    async def test_lists(self):
        client = self.client(embedding_model="sandbox-1")
        one, other = await client.embed(["a", "б"])
        self.assertIsInstance(one[0], float)
        self.assertEqual(len(one), len(other))
        self.assertIn("sandbox-small", await client.models())

    async def test_500_calls_in_loops_and_threads(self):
        client, before, most, texts = self.client(max_concurrency=-2), threads(), 0, []

        async def some(size):
            async def ask(number):
                nonlocal most
                answer = await client.generate(f"number {number}")
                most = max(most, threads())
                return answer["text"]

            texts.extend(await asyncio.gather(*map(ask, range(size))))

        await some(400)
        self.assertLessEqual(most, before + 1)
        worker = threading.Thread(target=asyncio.run, args=(some(100),))
        worker.start()
        await asyncio.get_running_loop().run_in_executor(None, worker.join)
        self.assertEqual(sorted(texts), sorted(f"You said: number {n}" for size in (400, 100) for n in range(size)))


class GlobalPool(WithListener):
    """The global pool ends elsewhere, and a client that names none goes on."""

    async def ends_elsewhere(self):
        """As C or Go ends it."""
        await asyncio.get_running_loop().run_in_executor(None, aipool._call, aipool._lib.pool_close_global, 0)

    async def goes_on(self, client):
        self.assertEqual((await client.generate("goes on"))["text"], "You said: goes on")
        self.assertEqual((await read(client.stream("goes on")))[1], "You said: goes on")

    async def test_a_global_pool_that_was_closed_as_any_other(self):
        client = self.client()
        await self.goes_on(client)
        async with aipool.get_global_pool() as pool:
            pass
        self.assertIsNot(aipool.get_global_pool(), pool)
        await self.goes_on(client)

    async def test_a_global_pool_that_another_language_closed(self):
        client = self.client()
        await self.goes_on(client)
        pool = aipool.get_global_pool()
        await self.ends_elsewhere()
        await self.goes_on(client)
        self.assertIsNot(aipool.get_global_pool(), pool)
        await self.ends_elsewhere()
        session = await client.get_session()
        for _ in range(2):
            async with session.get("/models") as response:
                self.assertEqual(response.status, 200)
        await self.ends_elsewhere()
        with self.assertRaises(aipool.ClosedError):
            await aipool.get_global_pool().get_session(self.listener.http)
        await aipool.get_global_pool().get_session(self.listener.http)

    async def test_a_global_pool_that_is_asked_for_while_it_closes(self):
        client, close, gap = self.client(), aipool._lib.pool_close_global, threading.Event()
        await self.goes_on(client)

        def late(*arguments):
            gap.wait(10)
            return close(*arguments)

        with unittest.mock.patch.object(aipool._lib, "pool_close_global", late):
            closing = asyncio.ensure_future(aipool.close_global_pool())
            await asyncio.sleep(0)
            aipool.get_global_pool()  # the one that is about to end
            gap.set()
            await closing
        await self.goes_on(client)

    async def test_what_may_have_been_sent_is_not_sent_again(self):
        client = self.client()
        task = asyncio.ensure_future(self.fails(client.generate("x", **faulty("hold=python-global"))))
        await asyncio.sleep(0)
        await control("wait-held/python-global")
        aipool.get_global_pool()._free()
        error = await asyncio.wait_for(task, 10)
        self.assertEqual((error.status, error.detail), (Status.CLOSED, Detail.POOL_CLOSED))
        self.assertEqual(error.delivery, Delivery.MAYBE_SENT)
        await control("wait-gone/python-global")
        self.assertEqual(await self.listener.count(f"requests:{CHAT}"), 1)

    async def test_calls_under_way_outlive_the_object_that_is_replaced(self):
        client, other = self.client(), self.client()
        stream = client.stream("one two three", **faulty("drip=100"))
        await stream.__anext__()
        loop = asyncio.get_running_loop()
        ending = loop.run_in_executor(None, aipool._call, aipool._lib.pool_close_global, 10000)
        await asyncio.sleep(0.05)
        await self.goes_on(other)
        gc.collect()
        parts, _ = await read(stream)
        self.assertEqual((parts[-1].kind, stream.reply["text"]), ("done", "You said: one two three"))
        await ending


class Failures(WithListener):
    async def test_a_wrong_argument_is_not_its_own_cause(self):
        client = self.client()
        for ask in (client.generate, lambda *said, **options: read(client.stream(*said, **options))):
            error = await self.fails(ask("hi", temperature=7), aipool.InvalidArgument)
            self.assertIsNone(error.__cause__)

    async def test_what_is_no_utf8_is_not_quoted(self):
        client, secret = self.client(), "sk-planted-\ud800"
        session = await client.get_session()
        for wrong, name in (
            (lambda: self.client(api_key=secret), "api_key"),
            (lambda: self.client(headers={"x-key": secret}), "headers"),
            (lambda: client.stream("hi", headers={"x-key": secret}), "headers"),
            (lambda: client.stream("hi", stop=[secret]), "stop"),
            (lambda: client.stream([{"content": secret}]), "content"),
            (lambda: session.post("/models", headers={"x-key": secret}), "headers"),
            (lambda: session.post("/models?key=" + secret), "url"),
            (lambda: session.post("/models", data=secret), "data"),
        ):
            with self.assertRaisesRegex(ValueError, f"^{name}: is not UTF-8 at character [0-9]+$") as caught:
                wrong()
            # A UnicodeEncodeError has the whole text in it, also where it is only the context.
            self.assertNotIsInstance(caught.exception, UnicodeError)
            self.assertIsNone(caught.exception.__context__)

    def at_most(self, times):
        """Buffers; what wants more of them spins."""
        real, left = aipool.ctypes.create_string_buffer, iter(range(times))

        def buffer(size):
            self.assertIsNotNone(next(left, None), "it spins")
            return real(size)

        return unittest.mock.patch.object(aipool.ctypes, "create_string_buffer", buffer)

    async def test_copies_end_when_the_library_refuses(self):
        stream = self.client().stream([{"content": "weather?"}], tools=[WEATHER])
        async with stream:
            async for delta in stream:
                if delta.kind == "tool":
                    break
            handle = stream._response._handle
            refuses = unittest.mock.patch.object(aipool._lib, "response_reply_copy", lambda *_: Status.INVALID_HANDLE)
            with self.at_most(3), refuses, self.assertRaises(aipool.Error):
                aipool._reply_of(handle)
        with self.at_most(3), self.assertRaises(aipool.Error) as caught:
            aipool._copied(aipool._lib.response_headers_copy, handle)
        self.assertEqual(caught.exception.status, Status.INVALID_HANDLE)

    async def test_headers_of_any_size_are_copied(self):
        packed = b"x-big\0" + b"x" * 10000 + b"\0"

        def copy(_, buffer, cap, needed, failure):
            needed._obj.value = len(packed)
            if cap < len(packed):
                return Status.INVALID_ARGUMENT
            aipool.ctypes.memmove(buffer, packed, len(packed))
            return Status.OK

        with self.at_most(3), unittest.mock.patch.object(aipool._lib, "response_headers_copy", copy):
            self.assertEqual(aipool._copied(aipool._lib.response_headers_copy, None), packed)

    async def test_an_answer_that_cannot_be_read_takes_no_other_with_it(self):
        client, wrong, gathered = self.client(), ValueError("planted"), asyncio.Event()
        drain = aipool._Channel._drain

        class Planted(aipool._Answer):
            def _keep(self):
                super()._keep()
                if b"number 3" in self._body:
                    raise wrong

        def late(channel):
            return drain(channel) if gathered.is_set() else 0

        planted = unittest.mock.patch.object(aipool, "_Answer", Planted)
        with planted, unittest.mock.patch.object(aipool._Channel, "_drain", late):
            asking = asyncio.gather(*(client.generate(f"number {n}") for n in range(8)), return_exceptions=True)
            while await self.listener.count(f"requests:{CHAT}") < 8:
                pass
            await asyncio.sleep(0.1)  # the last answers are on the way
            gathered.set()  # and are one batch
            answers = await asyncio.wait_for(asking, 10)
        wrong.__traceback__ = None  # which has the answer that was not read
        self.assertIs(answers.pop(3), wrong)
        self.assertEqual([answer["text"] for answer in answers], [f"You said: number {n}" for n in range(8) if n != 3])


class Ollama(WithListener):
    def client(self, **options):
        return aipool.OllamaClient(environment=False, base_url=self.listener.http, model="sandbox-small", **options)

    async def test_ollama(self):
        client = self.client()
        answer = await client.generate("one two")
        self.assertTrue(answer["text"].endswith("one two"))
        self.assertGreater(answer["usage"]["completion_tokens"], 0)
        stream = client.stream("one two")
        self.assertEqual((await read(stream))[1], answer["text"])
        self.assertEqual((await client.chat([{"content": "weather?"}], tools=[WEATHER]))["finish_reason"], "tool")


class Guides(WithListener):
    """The three clients of the guide."""

    def made(self, kind, path, **options):
        return kind(environment=False, base_url=self.listener.http + path, **options)

    async def talks(self, client, said):
        """What any client of the guide does."""
        self.assertTrue(client.is_configured)
        session = await client._get_session()
        answer = await client.generate("раз два", max_tokens=100)
        self.assertEqual(set(answer), {"text", "usage", "raw"})
        self.assertIn(said, answer["text"])
        self.assertTrue(answer["usage"])
        stream = client.stream("раз два")
        parts, text = await read(stream)
        self.assertEqual(parts[-1].kind, "done")
        self.assertIn(said, text)
        self.assertEqual(stream.reply["finish_reason"], "stop")
        first = await client.chat([{"role": "user", "content": "раз"}])
        talk = [{"role": "user", "content": "раз"}, first["message"], {"role": "user", "content": "два"}]
        second = await client.chat(talk, state=first["state"])
        self.assertIn("два", second["text"])
        own = await client._get_session(use_pool=False)
        self.assertNotEqual(own, session)
        await own.close()
        await client.close()
        self.assertFalse(session.closed)
        return second

    async def refused(self, client, status, http):
        error = await self.fails(client.generate("hi"))
        self.assertEqual((error.status, error.http_status), (status, http))
        return error

    def gigachat(self, **options):
        options = dict(dict(client_id="python", client_secret="secret"), **options)
        return self.made(aipool.GigaChatClient, "/gigachat/api/v1", auth_url=self.listener.http + "/gigachat/oauth", **options)

    async def test_gigachat(self):
        await self.talks(self.gigachat(), "раз два")
        self.assertEqual(await self.listener.count("gigachat.token_calls"), 1)
        error = await self.refused(self.gigachat(client_secret="wrong", max_retries=-1), Status.AUTH, 401)
        self.assertIn("code 6", str(error))  # of the token's request, whose response is not the call's
        error = await self.fails(self.gigachat(client_id=None, client_secret=None).generate("hi"), LLMNotConfiguredError)
        self.assertIn("GIGACHAT_", str(error))

    async def test_gigachat_asks_for_one_token_however_many_want_it(self):
        client = self.gigachat(client_id="herd", scope="GIGACHAT_API_CORP")
        await asyncio.gather(*(client.generate(f"number {n}") for n in range(50)))
        self.assertEqual(await self.listener.count("gigachat.token_calls"), 1)

    def yandex(self, **options):
        options = dict(dict(api_key="sandbox-key", folder="b1gsandbox"), **options)
        return self.made(aipool.YandexGPTClient, "/yandex/foundationModels/v1", **options)

    async def test_yandexgpt(self):
        await self.talks(self.yandex(), "раз два")
        error = await self.refused(self.yandex(api_key="unknown", max_retries=-1), Status.AUTH, 401)
        self.assertIn("Unknown api key", error.text)
        error = await self.fails(self.yandex(folder=None).generate("hi"), LLMNotConfiguredError)
        self.assertIn("FOLDER", str(error))

    def naparnik(self, **options):
        return self.made(aipool.NaparnikClient, "/naparnik", **dict(dict(api_key="sandbox-token"), **options))

    async def test_naparnik(self):
        second = await self.talks(self.naparnik(), "раз два")
        self.assertIn("Ход 2", second["text"])  # the sandbox counts the turns that it knows of
        error = await self.refused(self.naparnik(api_key="stranger", max_retries=-1), Status.AUTH, 401)
        self.assertIn("Invalid token", error.text)
        error = await self.fails(self.naparnik(api_key=None).generate("hi"), LLMNotConfiguredError)
        self.assertIn("NAPARNIK", str(error))


