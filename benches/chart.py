"""A bar chart of the medians in SVG: one panel a figure, one group a row, one bar a peer."""

from cells import PEERS, ROWS, peers

PANELS = {"rps": "requests per second (longer is better)", "cpu_us": "client CPU, us a request (shorter is better)"}
COLORS = dict(zip(PEERS, ["#1b6ac9", "#7fb2ee", "#123f76", "#d1495b", "#7a8450", "#9a9a9a"]))
LABELS, PANEL, BAR, GAP, TOP = 100, 430, 9, 10, 60


def write(path, cells):
    groups = [(row, [peer for peer in peers(row) if (row.name, peer) in cells]) for row in ROWS]
    height = TOP + sum(BAR * len(bars) + GAP for _, bars in groups)
    width = LABELS + len(PANELS) * PANEL
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif"'
        ' font-size="11"><rect width="100%" height="100%" fill="white"/>'
    ]
    for index, peer in enumerate(PEERS):
        parts.append(bar(LABELS + 120 * index, 10, 10, COLORS[peer]) + text(LABELS + 14 + 120 * index, 19, peer))
    for index, (figure, title) in enumerate(PANELS.items()):
        parts += panel(cells, groups, figure, title, LABELS + index * PANEL)
    path.write_text("\n".join([*parts, "</svg>\n"]))


def panel(cells, groups, figure, title, left):
    longest = max((figures[figure] for (row, _), figures in cells.items() if row in names(groups)), default=1)
    scale = (PANEL - 70) / longest
    top = TOP
    yield text(left, TOP - 12, title)
    for row, bars in groups:
        if left == LABELS:
            yield text(5, top + BAR, row.name)
        for peer in bars:
            value = cells[row.name, peer][figure]
            yield bar(left, top, value * scale, COLORS[peer])
            yield text(left + value * scale + 4, top + BAR - 1, f"{value:.0f}", size=8)
            top += BAR
        top += GAP


def names(groups):
    return {row.name for row, _ in groups}


def bar(x, y, width, color):
    return f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{BAR - 1}" fill="{color}"/>'


def text(x, y, content, size=11):
    return f'<text x="{x:.1f}" y="{y}" font-size="{size}">{content}</text>'
