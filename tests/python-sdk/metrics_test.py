"""Prometheus's own parser reads what a pool says of itself, and docs/observability.md tells of all of it."""

import asyncio
import os
import pathlib
import re
import sys

import aipool
from checks import run
from prometheus_client.parser import text_string_to_metric_families

HTTP = os.environ["AIPOOL_SANDBOX_HTTP"]
PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/observability.md"


async def scraped():
    """The families of a pool that sent two requests, and had an answer of a model streamed."""
    async with aipool.ConnectionPool() as pool:
        session = await pool.get_session(HTTP)
        for _ in range(2):
            async with session.get("/v1/models") as response:
                await response.read()
        async with aipool.OpenAIClient(pool=pool, base_url=HTTP + "/v1", model="sandbox-small") as client:
            async for _ in client.stream("one two three"):
                pass
        return {family.name: family for family in text_string_to_metric_families(pool.metrics())}


def value(family, suffix="", **labels):
    found = [one.value for one in family.samples if one.name == family.name + suffix and one.labels == labels]
    assert len(found) == 1, (family.name, suffix, labels, family.samples)
    return found[0]


def metrics_are_read_by_prometheus(families):
    assert value(families["aipool_requests"], "_total") == 3
    assert value(families["aipool_requests_reused"], "_total") == 2
    assert value(families["aipool_connections"], state="idle") + value(families["aipool_connections"], state="in_use") == 1
    assert value(families["aipool_connections_closed"], "_total", reason="idle") == 0
    assert value(families["aipool_first_byte_seconds"], "_count") == 3
    assert value(families["aipool_first_token_seconds"], "_count") == 1
    assert value(families["aipool_between_tokens_seconds"], "_bucket", le="+Inf") >= 2


def histograms_add_up(families):
    histograms = [family for family in families.values() if family.type == "histogram"]
    assert len(histograms) == 4
    for family in histograms:
        buckets = [one.value for one in family.samples if one.name.endswith("_bucket")]
        assert buckets == sorted(buckets) and buckets[-1] == value(family, "_count"), family


def the_page_tells_of_each_metric(families):
    told = dict(re.findall(r"^\| `(aipool_\w+?)(?:_total)?` \| (\w+) ", PAGE.read_text(), re.MULTILINE))
    assert told == {name: family.type for name, family in families.items()}


def main():
    checks = [metrics_are_read_by_prometheus, histograms_add_up, the_page_tells_of_each_metric]
    return run(checks, asyncio.run(scraped()))


if __name__ == "__main__":
    sys.exit(main())
