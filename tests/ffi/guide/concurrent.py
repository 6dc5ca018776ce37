async def fetch_data(url):
    pool = get_global_pool()
    session = await pool.get_session(url)
    async with session.get(url) as response:
        return await response.json()

# Параллельные запросы переиспользуют сессии
tasks = [fetch_data(url) for url in urls]
results = await asyncio.gather(*tasks)
