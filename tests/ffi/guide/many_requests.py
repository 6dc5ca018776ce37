pool = ConnectionPool(max_size=5, timeout=60)
base_url = "https://api.example.com"

# Все запросы используют одну сессию
session = await pool.get_session(base_url)

for endpoint in ["/users", "/posts", "/comments"]:
    async with session.get(f"{base_url}{endpoint}") as response:
        data = await response.json()
        # Обработать данные
