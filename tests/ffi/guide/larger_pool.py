pool = ConnectionPool(max_size=20, timeout=60)
