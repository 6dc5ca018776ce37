

async def main():
    await basic()
    await scope()
    await global_pool()
    async with configured() as pool:
        await acquire(pool)
        await ask(aipool.OpenAIClient())
        await ask(aipool.GigaChatClient())
        async with aipool.OpenAIClient(pool=pool) as client:
            await ask_aloud(client)
            await unpooled(client)
        await again(pool)
        await asyncio.to_thread(threads, pool)
        await many_requests(pool)
        assert await fetch(pool, "/models")
        show(pool)
    await pool_off()
    await eviction()
    assert len(await concurrent()) == 20
    await larger().close()
    await close_global_pool()


asyncio.run(main())
