"""The tables as Markdown, for the README: benches/publish puts them there."""

import datetime

from cells import BASES, COUNTED, FLIGHT, FREE, HERD_PEERS, HERDS, SERIAL, STREAMS, THREADS, peers
from report import herd

# Each table's title and rows.
TABLES = {
    "One request at a time": [*SERIAL, *FREE],
    "Threads that block": THREADS,
    "Many in flight": FLIGHT,
    "Token streams": STREAMS,
}


def text(results):
    parts = [introduction(results)]
    for title, rows in TABLES.items():
        parts += [f"### {title}", "\n".join(table(results.medians, rows)), picture(rows)]
    parts += ["### Counted", "\n".join(counted(results)), *results.facts]
    return "\n\n".join(parts) + "\n"


def introduction(results):
    versions = results.versions
    peers_named = ", ".join(
        f"{name} {versions[name]}" for name in ("go", "python", "aiohttp", "curl_cffi", "node", "undici") if name in versions
    )
    curl = versions.get("libcurl", "").split(" ")[0].replace("/", " ")
    return (
        f"`make bench` on {datetime.date.today()}: {results.machine}; client and server share it. Medians of"
        f" {results.rounds} rounds in one run; other processes used {results.others:.0%} of the machine meanwhile. aipool"
        f" {versions.get('aipool', '?')}; {curl}; {versions.get('peers in Rust', '?')}; {peers_named}. CPU is the client's, for"
        " each request or event; in brackets is the ratio to the peer that the table's corner names."
        " [Benches](docs/benches.md) says how it is measured, [docs/bench](docs/bench) has every figure."
    )


def table(cells, rows):
    """Rows are peers, columns are rows: all peers of one column ran in turns."""
    names = list(dict.fromkeys(peer for row in rows for peer in peers(row)))
    yield f"| (ratio to {BASES[rows[0].way]}) | " + " | ".join(row.name for row in rows) + " |"
    yield "|---" * (len(rows) + 1) + "|"
    for peer in names:
        yield f"| {peer} | " + " | ".join(cell(cells, row, peer) for row in rows) + " |"


def cell(cells, row, peer):
    mine, base = (cells.get((row.name, who)) for who in (peer, BASES[row.way]))
    if mine is None:
        return ""
    parts = [f"{mine['cpu_us']:.{2 if mine['cpu_us'] < 2 else 1}f} us{times(mine, base, 'cpu_us')}"]
    if row.name == "1000 streams":
        parts.append(f"{mine['kb']:.1f} kB{times(mine, base, 'kb')}")
    else:
        parts.append(f"{mine['rps']:,.0f}/s{times(mine, base, 'rps')}")
    return ", ".join(parts)


def times(mine, base, figure):
    return f" ({mine[figure] / base[figure]:.2f})" if base and base is not mine else ""


def picture(rows):
    """chart.py names its files by the way, too."""
    return f"![{rows[0].way}](docs/bench/{rows[0].way}.svg)"


def counted(results):
    """What does not depend on the machine's speed."""
    herd_title = f"{HERDS[0].threads} cold threads: handshakes"
    yield f"| {COUNTED.name}, each request | user instructions | system calls | {herd_title} |"
    yield "|---|---|---|---|"
    for peer in peers(COUNTED):
        found = results.counts.get(peer)
        if not found:
            continue
        instructions, calls = found
        seen = herd(results.herds, HERDS[0], peer) if peer in HERD_PEERS else None
        handshakes = f"{seen['handshakes']:.0f}" if seen else ""
        yield f"| {peer} | {instructions:,.0f} | {sum(calls.values()):.1f} | {handshakes} |"
