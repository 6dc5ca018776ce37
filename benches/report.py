"""What the figures say: medians, the tables, the verdicts."""

import csv
import functools
import statistics
from typing import NamedTuple

from cells import BASES, COUNTED, GETTERS, HERD_PEERS, HERDS, ROWS, SERIAL, STREAMS, THREADS, peers

FIGURES = {"rps": "req/s", "cpu_us": "CPU us/req", "p50_us": "p50 us", "p99_us": "p99 us"}
STREAM_FIGURES = {"rps": "events/s", "cpu_us": "CPU us/ev", "kb": "kB/stream"}
STREAM_ROWS = {row.name for row in STREAMS}
ALL_FIGURES = FIGURES | STREAM_FIGURES

HERD_FIGURES = {"connections": "connections", "handshakes": "handshakes", "p50_us": "p50 us", "p99_us": "last us"}

# The targets.
MOST_INSTRUCTIONS = 35_000
NEW_SESSION_US = 50
# A client's call, above the request it makes.
MOST_ABOVE = 15
# How far a ratio may be off before it says more than noise does.
NOISE = 0.05
MINE, OTHER = "aipool", "reqwest"


class Promise(NamedTuple):
    """A figure's bound: of its ratio to another peer's in the same row, or where there is none of itself."""

    row: str
    peer: str
    figure: str
    bound: float
    against: str = ""
    least: bool = False


PROMISES = [
    Promise("plain 64 in flight", "aipool-queue", "cpu_us", 0.8, "libcurl-multi"),
    Promise("h2 64 in flight", "aipool-queue", "cpu_us", 0.8, "libcurl-multi"),
    Promise("1000 streams", "aipool-streams", "cpu_us", 9),
    Promise("1000 streams", "aipool-streams", "kb", 24),
    Promise("1 stream at full speed", "aipool-streams", "rps", 1_000_000, least=True),
    Promise("plain serial", "aipool-go", "cpu_us", 0.6, "go"),
    Promise("plain serial, all cores", "aipool-go", "cpu_us", 0.6, "go"),
    Promise("plain serial", "aipool-transport", "cpu_us", 0.9, "go"),
    Promise("plain serial, all cores", "aipool-transport", "cpu_us", 0.9, "go"),
    Promise("plain 64 in flight", "aipool-go", "cpu_us", 0.8, "go"),
]


class Results:
    """All that was measured in one run."""

    def __init__(self, runs, counts, herds, machine, versions, facts, others):
        self.runs, self.counts, self.herds = runs, counts, herds
        self.machine, self.versions, self.facts, self.others = machine, versions, facts, others

    @functools.cached_property
    def medians(self):
        """{(row, peer): {figure: median of its rounds}}"""
        cells = {}
        for run in self.runs:
            cells.setdefault((run["row"], run["peer"]), []).append(run)
        return {cell: medians_of(runs) for cell, runs in cells.items()}

    @property
    def rounds(self):
        return max((run["round"] for run in self.runs), default=0)


def medians_of(runs):
    return {figure: statistics.median(run[figure] for run in runs) for figure in ALL_FIGURES if figure in runs[0]}


def write_runs(path, results):
    """Every single run, and the medians as round `median`."""
    fields = ["row", "peer", "round", "requests", *ALL_FIGURES]
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, fields, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(results.runs)
        for (row, peer), figures in results.medians.items():
            writer.writerow({"row": row, "peer": peer, "round": "median", **figures})


def write_herds(path, runs):
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, ["row", "peer", *HERD_FIGURES], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(runs)


def write_versions(path, results):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "version"])
        writer.writerows([("machine", results.machine), *results.versions.items()])


def lines(results):
    """All of it as text."""
    yield f"others than the bench used {results.others:.0%} of the machine meanwhile; more than 5% is too noisy to trust"
    yield f"machine: {results.machine}"
    yield from (f"{name}: {version}" for name, version in results.versions.items())
    yield from results.facts
    for part in (table(results.medians), counts(results.counts), getters(results.medians), herds(results.herds)):
        yield from ("", *part)
    yield from ("", *counts_kept(results), *times_kept(results.medians))


def figures_in(row):
    return STREAM_FIGURES if row.way == "streams" else FIGURES


def table(cells):
    """Absolute figures, each with its ratio to the base's in the same row."""
    way = None
    for row in ROWS:
        if (figures_in(row), BASES[row.way]) != way:
            way = (figures_in(row), BASES[row.way])
            titles = "".join(f"{title:>11}{'x':>7}" for title in figures_in(row).values())
            yield f"{'':24}{'':17}{titles}   x: ratio to {BASES[row.way]}"
        base = cells.get((row.name, BASES[row.way]))
        for peer in peers(row):
            figures = cells.get((row.name, peer))
            if figures is None:
                continue
            values = (number(figures[name], 11) + ratio(figures, base, name) for name in figures_in(row))
            yield f"{row.name:24}{peer:17}" + "".join(values)


def number(value, width):
    return f"{value:{width}.{0 if value >= 1000 else 1}f}"


def ratio(figures, base, name):
    return f"{figures[name] / base[name]:7.2f}" if base else f"{'-':>7}"


def counts(counted):
    """Instructions and system calls a request, by peer."""
    lines = [f"{COUNTED.name}, counted: user instructions and system calls a request"]
    base = counted.get(BASES[COUNTED.way])
    for peer, found in counted.items():
        if not found:
            continue
        instructions, calls = found
        times = f"{instructions / base[0]:6.2f}" if base else f"{'-':>6}"
        often = sorted((name for name in calls if calls[name] >= 0.05), key=lambda name: -calls[name])
        detail = ", ".join(f"{name} {calls[name]:.2f}" for name in often)
        lines.append(f"{peer:17}{instructions:9.0f}{times}{sum(calls.values()):8.2f}  {detail}")
    return lines


def getters(cells):
    lines = ["aip_pool_get_session() and aip_session_free()"]
    for row, peer, _ in GETTERS:
        figures = cells.get((row.name, peer))
        if figures:
            lines.append(f"{row.name:24}{figures['rps']:11.0f} ops/s{figures['cpu_us']:8.3f} us CPU")
    return lines


def herds(runs):
    """Connections and handshakes: the most of all rounds; times: their median."""
    lines = [f"{HERDS[0].threads} threads, each its first request at once, HTTP/2 by ALPN; handshakes begin 50 ms late"]
    lines.append(f"{'':35}" + "".join(f"{title:>13}" for title in HERD_FIGURES.values()))
    for row in HERDS:
        for peer in HERD_PEERS:
            found = herd(runs, row, peer)
            if found:
                lines.append(f"{row.name:18}{peer:17}" + "".join(f"{found[name]:13.0f}" for name in HERD_FIGURES))
    return lines


def herd(runs, row, peer):
    mine = [run for run in runs if (run["row"], run["peer"]) == (row.name, peer)]
    over = {name: max if name in ("connections", "handshakes") else statistics.median for name in HERD_FIGURES}
    return {name: pick(run[name] for run in mine) for name, pick in over.items()} if mine else None


# ---- The targets, and whether they were met in this run ----


def counts_kept(results):
    """Counts: how fast or busy the machine is does not move them, so that a no is a failure."""
    return [*counted_verdicts(results.counts), *herd_verdicts(results.herds)]


def times_kept(cells):
    """Times and rates: a no may be the machine's."""
    promised = (promise_verdict(cells, promise) for promise in PROMISES)
    kept = [*serial_verdicts(cells), *others_verdicts(cells), *promised, *new_session_verdicts(cells)]
    return [*kept, *generate_verdicts(cells)]


def counted_verdicts(counted):
    base_name = BASES[COUNTED.way]
    mine, base, other = (counted.get(peer) for peer in (MINE, base_name, OTHER))
    if not (mine and base and other):
        return [f"{COUNTED.name}, counted: missing"]
    calls, most = (sum(found[1].values()) for found in (mine, base))
    met = mine[0] <= MOST_INSTRUCTIONS
    beside = f"({base_name} {base[0]:.0f}, {OTHER} {other[0]:.0f})"
    return [
        verdict(f"serial POST, user instructions <= {MOST_INSTRUCTIONS}", f"{mine[0]:.0f} {beside}", met),
        # In whole calls: the guard's looks go by the clock, and under strace a request lasts a hundred times as long.
        verdict(f"system calls a request <= {base_name}'s {most:.2f}", f"{calls:.2f}", round(calls) <= round(most)),
    ]


def generate_verdicts(cells):
    """What a client's call costs above the request it makes."""
    call, request = (cells.get((SERIAL[0].name, peer)) for peer in ("aipool-generate", MINE))
    if not (call and request):
        return ["a client's call above its request: missing"]
    above = call["cpu_us"] - request["cpu_us"]
    return [verdict(f"a client's call above its request, CPU <= {MOST_ABOVE} us", f"{above:.1f} us", above <= MOST_ABOVE)]


def serial_verdicts(cells):
    for row in SERIAL:
        base = BASES[row.way]
        for name in ("cpu_us", "p50_us"):
            found = against(cells, row, base, name)
            title = f"{row.name}: {FIGURES[name]} below {base}'s"
            yield verdict(title, f"{found:.2f}x", found < 1) if found else f"{title}: missing"


def others_verdicts(cells):
    """A rate must not be below, a cost not above."""
    for row in [*SERIAL, *THREADS]:
        title = f"{row.name}: not behind {OTHER} (within {NOISE:.0%})"
        rate, cost = (against(cells, row, OTHER, name) for name in ("rps", "cpu_us"))
        if rate and cost:
            met = rate >= 1 - NOISE and cost <= 1 + NOISE
            yield verdict(title, f"req/s {rate:.2f}x, CPU {cost:.2f}x", met)
        else:
            yield f"{title}: missing"


def promise_verdict(cells, promise):
    mine, other = (cells.get((promise.row, peer)) for peer in (promise.peer, promise.against))
    sign = ">=" if promise.least else "<="
    beside = f"x {promise.against}" if promise.against else ""
    figure = (STREAM_FIGURES if promise.row in STREAM_ROWS else FIGURES)[promise.figure]
    title = f"{promise.row}: {promise.peer}'s {figure} {sign} {promise.bound:,}{beside}"
    if mine is None or (promise.against and other is None):
        return f"{title}: missing"
    found = mine[promise.figure] / (other[promise.figure] if promise.against else 1)
    met = found >= promise.bound if promise.least else found <= promise.bound
    return verdict(title, f"{found:,.2f}{'x' if promise.against else ''}", met)


def new_session_verdicts(cells):
    for row, peer, _ in GETTERS[-2:]:
        figures = cells.get((row.name, peer))
        title = f"a session after the first, {row.name}, <= {NEW_SESSION_US} us"
        each = 1e6 / figures["rps"] if figures else None
        yield verdict(title, f"{each:.1f} us", each <= NEW_SESSION_US) if each else f"{title}: missing"


def herd_verdicts(runs):
    for row in HERDS:
        mine, other = (herd(runs, row, peer) for peer in (MINE, OTHER))
        title = f"cold herd, {row.name}: 1 handshake"
        if mine and other:
            found = f"{mine['handshakes']:.0f} ({OTHER} {other['handshakes']:.0f})"
            yield verdict(title, found, mine["handshakes"] == 1 and mine["connections"] == 1)
        else:
            yield f"{title}: missing"


def against(cells, row, peer, name):
    mine, other = (cells.get((row.name, who)) for who in (MINE, peer))
    return mine[name] / other[name] if mine and other else None


def verdict(title, found, met):
    return f"{title}: {found} {'yes' if met else 'no'}"


def says_no(line):
    return line.endswith(" no")
