async with pool.acquire("http://api.example.com") as session:
    # Использовать сессию
    # Автоматическая обработка ошибок
    async with session.get("/endpoint") as response:
        data = await response.json()
