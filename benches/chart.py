"""Bar charts of the medians in SVG, one file a way of asking: one panel a figure, one group a row, one bar a peer."""

from cells import FLIGHT, FREE, SERIAL, STREAMS, THREADS, peers

EACH = {"rps": "requests per second (longer is better)", "cpu_us": "client CPU, us a request (shorter is better)"}
STREAM = {"cpu_us": "client CPU, us an event (shorter is better)", "kb": "client memory, kB a stream (shorter is better)"}
# Each file with its rows and its panels.
CHARTS = {
    "serial.svg": ([*SERIAL, *FREE], EACH),
    "threads.svg": (THREADS, EACH),
    "flight.svg": (FLIGHT, EACH),
    "streams.svg": (STREAMS[:1], STREAM),
}
# By the peer's name up to its hyphen, ours in blue; further ones of that name are paler.
COLORS = {
    "aipool": "#1b6ac9",
    "libcurl": "#d1495b",
    "reqwest": "#7a8450",
    "raw": "#9a9a9a",
    "go": "#2a9d8f",
    "aiohttp": "#e9a23b",
    "curl_cffi": "#8d5a97",
    "undici": "#5f6b2d",
}
PALER = {"aipool-threads2": 0.75, "aipool-go": 0.7, "aipool-reqwest": 0.5, "aipool-transport": 0.45}
LABELS, PANEL, BAR, GAP, TOP, LEGEND = 140, 430, 9, 10, 76, 124


def write_all(folder, cells):
    for name, (rows, panels) in CHARTS.items():
        (folder / name).write_text(svg(rows, panels, cells))


def svg(rows, panels, cells):
    groups = [(row, [peer for peer in peers(row) if (row.name, peer) in cells]) for row in rows]
    height = TOP + sum(BAR * len(bars) + GAP for _, bars in groups)
    width = LABELS + len(panels) * PANEL
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif"'
        ' font-size="11"><rect width="100%" height="100%" fill="white"/>'
    ]
    for index, peer in enumerate(dict.fromkeys(peer for _, bars in groups for peer in bars)):
        column, line = index % 7, index // 7
        parts.append(bar(10 + LEGEND * column, 10 + 16 * line, 10, peer))
        parts.append(text(24 + LEGEND * column, 19 + 16 * line, peer))
    for index, (figure, title) in enumerate(panels.items()):
        parts += panel(cells, groups, figure, title, LABELS + index * PANEL)
    return "\n".join([*parts, "</svg>\n"])


def panel(cells, groups, figure, title, left):
    values = [cells[row.name, peer][figure] for row, bars in groups for peer in bars]
    scale = (PANEL - 70) / max(values, default=1)
    top = TOP
    yield text(left, TOP - 12, title)
    for row, bars in groups:
        if left == LABELS:
            yield text(5, top + BAR, row.name)
        for peer in bars:
            value = cells[row.name, peer][figure]
            yield bar(left, top, value * scale, peer)
            label = f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
            yield text(left + value * scale + 4, top + BAR - 1, label, size=8)
            top += BAR
        top += GAP


def bar(x, y, width, peer):
    color, opacity = COLORS[peer.partition("-")[0]], PALER.get(peer, 1)
    return f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{BAR - 1}" fill="{color}" fill-opacity="{opacity}"/>'


def text(x, y, content, size=11):
    return f'<text x="{x:.1f}" y="{y}" font-size="{size}">{content}</text>'
