from src.ai.connection_pool import get_global_pool, close_global_pool

async def example():
    # Получить глобальный пул
    pool = get_global_pool()
    
    session = await pool.get_session("http://api.example.com")
    # Использовать сессию
    
    # Закрыть глобальный пул
    await close_global_pool()
