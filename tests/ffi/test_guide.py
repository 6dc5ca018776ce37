"""The guide's code, tests/ffi/guide, as it stands there: only its import and its hosts are others."""

import ast
import asyncio
import os
import pathlib
import unittest

import aipool

BLOCKS = pathlib.Path(__file__).parent / "guide"
HTTP, HTTPS = os.environ["AIPOOL_SANDBOX_HTTP"], os.environ["AIPOOL_SANDBOX_HTTPS"]


def changed(text):
    for old, new in (
        ("from src.ai.connection_pool import", "from aipool import"),
        ("http://api.example.com", HTTP),
        ("https://api.example.com", HTTPS),
    ):
        text = text.replace(old, new)
    return text


async def run(path, **names):
    """Runs a block, and its example() where it has one: the names it leaves behind."""
    names = dict(vars(aipool), asyncio=asyncio, **names)
    code = compile(changed(path.read_text()), str(path), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    running = eval(code, names)
    if running is not None:
        await running
    if "example" in names:
        await names["example"]()
    return names


class Guide(unittest.IsolatedAsyncioTestCase):
    async def test_guide_basic(self):
        await run(BLOCKS / "basic.py")

    async def test_guide_context_manager(self):
        names = await run(BLOCKS / "context_manager.py")
        self.assertTrue(names["session"].closed)

    async def test_guide_global_pool(self):
        await run(BLOCKS / "global_pool.py")

    async def test_guide_acquire(self):
        async with aipool.ConnectionPool() as pool:
            names = await run(BLOCKS / "acquire.py", pool=pool)
            self.assertEqual(pool.stats()["leased"], 0)
        self.assertIn("error", names["data"])  # the sandbox has no /endpoint, and says so in JSON

    async def test_guide_configuration(self):
        await run(BLOCKS / "configuration.py")

    async def test_guide_many_requests(self):
        names = await run(BLOCKS / "many_requests.py")
        pool = names["pool"]
        stats = pool.stats()
        self.assertEqual((stats["requests"], stats["sessions"], stats["connections_opened"]), (3, 1, 1))
        await pool.close()

    async def test_guide_concurrent(self):
        names = await run(BLOCKS / "concurrent.py", urls=[f"{HTTP}/v1/models?n={n % 4}" for n in range(20)])
        self.assertEqual([result["object"] for result in names["results"]], ["list"] * 20)
        self.assertEqual(aipool.get_global_pool().stats()["requests"], 20)
        await aipool.close_global_pool()

    async def test_guide_closed_session(self):
        async with aipool.ConnectionPool() as pool:
            session = await pool.get_session(HTTP)
            await session.close()
            self.assertTrue(session.closed)
            names = await run(BLOCKS / "closed_session.py", pool=pool)
            self.assertFalse(names["session"].closed)

    async def test_guide_larger_pool(self):
        names = await run(BLOCKS / "larger_pool.py")
        pool = names["pool"]
        sessions = [await pool.get_session(f"{HTTP}/{n}") for n in range(25)]
        self.assertEqual(sum(session.closed for session in sessions), 5)
        await pool.close()

    def test_guide_has_all_its_blocks(self):
        tested = {name[len("test_guide_") :] for name in dir(self) if name.startswith("test_guide_")}
        self.assertEqual({path.stem for path in BLOCKS.glob("*.py")} - tested, set())
