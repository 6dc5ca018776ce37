from src.ai.connection_pool import ConnectionPool

async def example():
    pool = ConnectionPool(max_size=10, timeout=60)
    
    # Получить сессию
    session = await pool.get_session("http://api.example.com")
    
    # Использовать сессию
    async with session.get("http://api.example.com/endpoint") as response:
        data = await response.json()
    
    # Закрыть все сессии
    await pool.close_all()
