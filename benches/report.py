"""What the figures say: medians, the table, the verdicts."""

import csv
import statistics

from cells import BASE, COUNTED, GETTERS, PEERS, ROWS

FIGURES = {"rps": "req/s", "cpu_us": "CPU us/req", "p50_us": "p50 us", "p99_us": "p99 us"}

# The targets.
SERIAL_LIMIT = 1.4
# How far a ratio of 1 may be off before it says more than noise does.
NOISE = 0.05


def write_csv(path, runs):
    """Every single run, and the medians as round `median`."""
    fields = ["row", "peer", "round", "requests", *FIGURES]
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, fields, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(runs)
        for (row, peer), figures in medians(runs).items():
            writer.writerow({"row": row, "peer": peer, "round": "median", **figures})


def medians(runs):
    """{(row, peer): {figure: median of its rounds}}"""
    cells = {}
    for run in runs:
        cells.setdefault((run["row"], run["peer"]), []).append(run)
    return {
        cell: {figure: statistics.median(run[figure] for run in runs) for figure in FIGURES}
        for cell, runs in cells.items()
    }


def table(cells):
    """Absolute figures, each with its ratio to libcurl in the same row."""
    lines = [f"{'':18}{'':17}" + "".join(f"{title:>11}{'x':>7}" for title in FIGURES.values())]
    lines[0] += f"   x: ratio to {BASE}"
    for row in ROWS:
        base = cells.get((row.name, BASE))
        for peer in PEERS:
            figures = cells.get((row.name, peer))
            if figures is None:
                continue
            values = (number(figures[name], 11) + ratio(figures, base, name) for name in FIGURES)
            lines.append(f"{row.name:18}{peer:17}" + "".join(values))
    return lines


def number(value, width):
    return f"{value:{width}.{0 if value >= 1000 else 1}f}"


def ratio(figures, base, name):
    return f"{figures[name] / base[name]:7.2f}" if base else f"{'-':>7}"


def counts(counted):
    """Instructions and system calls a request, by peer."""
    lines = [f"{COUNTED.name}, counted: user instructions and system calls a request"]
    base = counted.get(BASE)
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
    lines = ["aip_pool_get_session() and aip_session_free() of one existing key"]
    for row in GETTERS:
        figures = cells.get((row.name, "get-session"))
        if figures:
            lines.append(f"{row.name:24}{figures['rps']:11.0f} ops/s{figures['cpu_us']:8.3f} us CPU")
    return lines


def verdicts(cells):
    """The targets, and whether they were met in this run."""
    lines = []
    for name, title in (("cpu_us", "CPU"), ("p50_us", "p50")):
        lines.append(verdict(f"serial {title} <= {SERIAL_LIMIT}x {BASE}", serial(cells, name), SERIAL_LIMIT))
    for row in (row for row in ROWS if row.threads >= 8):
        for name, title, best in (("rps", "req/s", max), ("cpu_us", "CPU", min)):
            against = f"{row.name} {title} vs better of waiter/guard drives (within {NOISE:.0%})"
            worse = crowd(cells, row, name, best)
            # A rate must not be below, a cost not above.
            lines.append(verdict(against, worse, 1 - NOISE if best is max else 1 + NOISE, at_least=best is max))
    return lines


def serial(cells, name):
    mine, base = (cells.get((COUNTED.name, peer)) for peer in ("aipool", BASE))
    return mine[name] / base[name] if mine and base else None


def crowd(cells, row, name, best):
    mine, *others = (cells.get((row.name, peer)) for peer in ("aipool", "waiter-drives", "guard-drives"))
    return mine[name] / best(other[name] for other in others) if mine and all(others) else None


def verdict(title, found, limit, at_least=False):
    if found is None:
        return f"{title}: missing"
    met = found >= limit if at_least else found <= limit
    return f"{title}: {found:.2f} {'yes' if met else 'no'}"
