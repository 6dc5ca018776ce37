ConnectionPool(
    max_size=10,  # Максимальный размер пула
    timeout=60,   # Таймаут для соединений в секундах
)
