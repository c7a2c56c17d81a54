"""A dashboard's panels as SVG, from the answers of a Prometheus: what Grafana would show, without Grafana.

draw(dashboard, found) takes the dashboard's JSON and, by the panel's id, its series: [(legend, [(seconds, value), ...]), ...]. Two kinds of
panel are in it, timeseries and stat; each stands where Grafana would put it. Drawn by hand, since lines and numbers need no library."""
import html
import math
import time

CELL, ROW, GAP = 50, 30, 8  # pixels of one of Grafana's 24 columns, and of a row
INK, PALE, GRID, PAPER, GROUND = "#1f2933", "#616e7c", "#dde3ea", "#ffffff", "#eef1f5"
COLOURS = ("#2a7f62", "#3d6fb4", "#c99a2e", "#c4572e", "#7b5ea7", "#3a9ba5", "#a94f78", "#6b7f2a", "#8a6d4b", "#52616f")
LEGENDS = 6  # the largest; a panel has no room for more
SUFFIX = {"ops": "/s", "reqps": "/s"}


def text(x, y, words, size=11, colour=INK, anchor="start", weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}" font-weight="{weight}">'
            f'{html.escape(str(words))}</text>')


def line(x1, y1, x2, y2, colour=GRID):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def number(value, unit):
    """As short as an axis wants it."""
    if unit == "s" and 0 < abs(value) < 1:
        return f"{value * 1000:.3g} ms"
    if unit == "s":
        return f"{value:.3g} s" if abs(value) < 120 else f"{value / 60:.3g} min"
    words = f"{value / 1000:.3g}k" if abs(value) >= 10000 else f"{value:.3g}"
    return words + SUFFIX.get(unit, "")


def ceiling(value):
    """The next of 1, 2, 5 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value * 0.999)


def last(points):
    return points[-1][1]


def draw_stat(panel, series, frame):
    x, y, width, height = frame
    defaults, name_only = panel["fieldConfig"]["defaults"], panel["options"]["textMode"] == "name"
    mapped = {key: option for mapping in defaults.get("mappings", []) for key, option in mapping["options"].items()}
    steps = defaults.get("thresholds", {}).get("steps", [])
    for place, (legend, points) in enumerate(series[:4]):
        option = mapped.get(f"{last(points):g}", {})
        colour = option.get("color") or next((step["color"] for step in reversed(steps) if step["value"] is None or last(points) >= step["value"]), "green")
        words = legend if name_only else option.get("text") or number(last(points), defaults["unit"])
        shade = {"green": COLOURS[0], "red": COLOURS[3]}[colour]
        middle, apart = y + 36 + (height - 40) / 2, (height - 36) / min(len(series), 4)
        baseline = middle + (place - (min(len(series), 4) - 1) / 2) * apart
        yield text(x + width / 2, baseline, words, 12 if len(series) > 2 or name_only else 18, shade, "middle", "bold")
        if len(series) > 1 and not name_only:
            yield text(x + width / 2, baseline + 10, legend, 7, PALE, "middle")


def draw_series(panel, series, frame, span):
    x, y, width, height = frame
    unit = panel["fieldConfig"]["defaults"]["unit"]
    series = sorted(series, key=lambda one: -max(value for _, value in one[1]))[:LEGENDS]
    left, right, top, bottom = x + 62, x + width - 12, y + 34, y + height - 42
    high = ceiling(max((value for _, points in series for _, value in points), default=1))
    for part in (0, 0.5, 1):
        level = bottom - (bottom - top) * part
        yield line(left, level, right, level)
        yield text(left - 6, level + 4, number(high * part, unit), 9, PALE, "end")
    for part in (0, 0.5, 1):
        anchor = {0: "start", 0.5: "middle", 1: "end"}[part]
        yield text(left + (right - left) * part, bottom + 13, f"{(span[1] - span[0]) * part:.0f} s", 9, PALE, anchor)
    step, across = (right - left) / max(span[1] - span[0], 1), left
    for place, (legend, points) in enumerate(series):
        colour = COLOURS[place % len(COLOURS)]
        path = " ".join(f"{left + (at - span[0]) * step:.1f},{bottom - (bottom - top) * max(value, 0) / high:.1f}" for at, value in points)
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>'
        legend = legend if len(legend) <= 26 else legend[:24] + "..."
        if across + 12 + 4.9 * len(legend) < x + width:
            yield f'<rect x="{across:.1f}" y="{bottom + 21:.1f}" width="9" height="3" fill="{colour}"/>'
            yield text(across + 12, bottom + 25, legend, 8)
            across += 20 + 4.9 * len(legend)


def draw(dashboard, found):
    times = [at for series in found.values() for _, points in series for at, _ in points]
    span = (min(times), max(times))
    height = max(one["gridPos"]["y"] + one["gridPos"]["h"] for one in dashboard["panels"]) * ROW + 50
    width = 24 * CELL + 2 * GAP
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
           f'font-family="DejaVu Sans, Helvetica, Arial, sans-serif">')
    yield f'<rect width="100%" height="100%" fill="{GROUND}"/>'
    yield text(GAP + 4, 26, dashboard["title"], 18, weight="bold")
    yield text(width - GAP, 26, f"{span[1] - span[0]:.0f} s until {time.strftime('%Y-%m-%d', time.gmtime(span[1]))}", 11, PALE, "end")
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        x, y = GAP + place["x"] * CELL, 40 + place["y"] * ROW
        if panel["type"] == "row":
            yield text(x + 4, y + 20, panel["title"], 13, weight="bold")
            continue
        frame = (x, y, place["w"] * CELL - GAP, place["h"] * ROW - GAP)
        yield f'<rect x="{x}" y="{y}" width="{frame[2]}" height="{frame[3]}" fill="{PAPER}" stroke="{GRID}" rx="3"/>'
        yield text(x + 10, y + 19, panel["title"], 11, weight="bold")
        series = found[panel["id"]]
        yield from draw_stat(panel, series, frame) if panel["type"] == "stat" else draw_series(panel, series, frame, span)
    yield "</svg>"
