async with ConnectionPool(max_size=5, timeout=60) as pool:
    session = await pool.get_session("http://api.example.com")
    # Использовать сессию
    # После выхода из контекста сессии автоматически закроются
