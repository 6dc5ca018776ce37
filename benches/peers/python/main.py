"""The bench's peers in Python: aiohttp, and curl_cffi's AsyncSession, each on asyncio's own loop."""

import asyncio
import ssl
import sys

from meter import Meter, Plan

POST_BYTES, REPLY_BYTES = 500, 1024
BODY = b"x" * POST_BYTES
HEADERS = {"content-type": "application/json"}
# To one server; libaipool's default.
MOST_CONNECTIONS = 64


async def aiohttp_peer(plan, meter):
    import aiohttp

    if plan.http != 1:
        sys.exit("aiohttp speaks HTTP/1.1 only")
    context = ssl.create_default_context(cafile=plan.ca_file)
    connector = aiohttp.TCPConnector(limit=MOST_CONNECTIONS, ssl=context)
    timeout = aiohttp.ClientTimeout(total=60, connect=None, sock_connect=10)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:

        async def post():
            async with session.post(plan.url, data=BODY, headers=HEADERS) as response:
                body = await response.read()
                check(response.status, len(body))

        await meter.run(post)


async def curl_cffi_peer(plan, meter):
    from curl_cffi import CurlHttpVersion
    from curl_cffi.requests import AsyncSession

    # Its limit counts handles: over HTTP/2 they share connections.
    handles = min(plan.threads, MOST_CONNECTIONS) if plan.http == 1 else plan.threads
    version = CurlHttpVersion.V1_1 if plan.http == 1 else CurlHttpVersion.V2_0
    async with AsyncSession(max_clients=handles, verify=plan.ca_file, timeout=60, http_version=version) as session:

        async def post():
            response = await session.post(plan.url, data=BODY, headers=HEADERS)
            check(response.status_code, len(response.content))
            if response.http_version != version:
                sys.exit("curl_cffi: not the protocol that was asked for")

        await meter.run(post)


def check(status, length):
    if status != 200 or length != REPLY_BYTES:
        sys.exit("not the expected reply")


def main():
    plan = Plan.of(sys.argv[1:])
    meter = Meter(plan)
    peers = {"aiohttp": aiohttp_peer, "curl_cffi": curl_cffi_peer}
    asyncio.run(peers[plan.peer](plan, meter))
    meter.print()


if __name__ == "__main__":
    main()
