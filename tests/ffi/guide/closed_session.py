session = await pool.get_session("http://api.example.com")
if session.closed:
    # Сессия уже закрыта, будет пересоздана при следующем запросе
    session = await pool.get_session("http://api.example.com")
