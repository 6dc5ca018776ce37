"""examples/python/aipool.py and multiprocessing with the fork start method: each child has pools of its own."""

import asyncio
import concurrent.futures
import multiprocessing
import os
import threading
import unittest

import aipool
from aipool import ConnectionPool, Status
from test_aipool import HTTP, HTTPS, NOTHING, chat, control, handles

FORK = multiprocessing.get_context("fork")
CHILDREN, ASKED_EACH = 8, 20


async def use(pool):
    """Requests one after the other and at once, over TLS, and a stream: how many were answered."""
    answered = 0
    for base in (HTTP, HTTPS):
        session = await pool.get_session(base)
        for _ in range(ASKED_EACH):
            async with session.get("/echo") as response:
                answered += response.status == 200

        async def ask():
            async with session.get("/echo") as response:
                return response.status == 200

        answered += sum(await asyncio.gather(*(ask() for _ in range(ASKED_EACH))))
        async with session.post("/v1/chat/completions", **chat("one two")) as response:
            answered += len([event async for event in response.events()]) > 2
    return answered


ALL = 2 * (2 * ASKED_EACH + 1)


async def in_a_pool_of_its_own():
    async with ConnectionPool() as pool:
        return await use(pool)


async def in_the_global_pool():
    answered = await use(aipool.get_global_pool())
    await aipool.close_global_pool()
    return answered


def child(work, inherited, results):
    try:
        asyncio.run(inherited.get_session(HTTP))
        refused = None
    except aipool.Error as error:
        refused = error.status
    results.put((asyncio.run(work()), refused))


def job(_):
    return asyncio.run(in_a_pool_of_its_own())


class Busy:
    """A pool that another thread's loop asks over all the time."""

    def __enter__(self):
        self.pool, self.stop, self.answered = ConnectionPool(), False, 0
        self.thread = threading.Thread(target=lambda: asyncio.run(self.ask()))
        self.thread.start()
        return self

    async def ask(self):
        while not self.stop:
            self.answered += await use(self.pool)
        await self.pool.close()

    def __exit__(self, *_):
        self.stop = True
        self.thread.join()


class Processes(unittest.TestCase):
    def tearDown(self):
        self.assertEqual(handles(), NOTHING)

    def in_children(self, work, inherited):
        results = FORK.SimpleQueue()
        children = [FORK.Process(target=child, args=(work, inherited, results)) for _ in range(CHILDREN)]
        for process in children:
            process.start()
        for process in children:
            process.join(60)
        self.assertEqual([process.exitcode for process in children], [0] * CHILDREN)
        for _ in children:
            self.assertEqual(results.get(), (ALL, Status.INVALID_HANDLE))

    def test_children_of_a_busy_parent_use_pools_of_their_own(self):
        with Busy() as busy:
            self.in_children(in_a_pool_of_its_own, busy.pool)
        self.assertEqual(busy.answered % ALL, 0)
        self.assertGreater(busy.answered, 0)

    def test_children_of_a_busy_parent_use_the_global_pool(self):
        self.assertEqual(asyncio.run(use(aipool.get_global_pool())), ALL)
        with Busy() as busy:
            self.in_children(in_the_global_pool, busy.pool)
        self.assertEqual(asyncio.run(use(aipool.get_global_pool())), ALL)
        asyncio.run(aipool.close_global_pool())

    def test_a_lock_held_at_the_fork_holds_no_child_up(self):
        async def ask():
            async with session.get("/echo"):
                return None

        def refused():
            try:
                asyncio.run(ask())
            except aipool.Error as error:
                os._exit(0 if error.status == Status.INVALID_HANDLE else 1)

        pool = ConnectionPool()
        session = asyncio.run(pool.get_session(HTTP))
        process = FORK.Process(target=refused, daemon=True)
        with pool._lock:
            process.start()
        process.join(20)
        self.assertEqual(process.exitcode, 0)
        asyncio.run(pool.close())
        del session, pool, ask, refused

    def test_a_fork_in_a_coroutine_leaves_its_loop_alone(self):
        async def talk():
            async with ConnectionPool() as pool:
                session = await pool.get_session(HTTP)
                held = asyncio.ensure_future(ask(session))
                await control("wait-held/forked-loop?count=1")
                self.in_children(in_a_pool_of_its_own, pool)
                await control("release/forked-loop", "POST")
                return await held, await use(pool)

        async def ask(session):
            async with session.get("/hold/forked-loop") as response:
                return response.status

        self.assertEqual(asyncio.run(talk()), (200, ALL))

    def test_an_executor_of_processes(self):
        with Busy(), concurrent.futures.ProcessPoolExecutor(4, mp_context=FORK) as executor:
            self.assertEqual(list(executor.map(job, range(12))), [ALL] * 12)
