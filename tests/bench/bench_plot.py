"""The picture of a report, as SVG: how far each goal was met, how cost grows with the keys, latencies by load model.

Written by hand, since three kinds of panel need no plotting library. A panel without figures is left out."""
import html
import math
import statistics

import bench_burst

WIDTH, MARGIN = 1000, 24
INK, PALE, GRID, MET, MISSED, ABSENT = "#1f2933", "#616e7c", "#dde3ea", "#2a7f62", "#c4572e", "#9aa5b1"
QUANTILES = (("p50_us", "p50", "#2a7f62"), ("p90_us", "p90", "#3d6fb4"), ("p99_us", "p99", "#c99a2e"), ("p999_us", "p99.9", "#c4572e"))
CURVES = ((("to the last answer, ms"), lambda one: bench_burst.summarise(one["rounds"])["milliseconds"]),
          ("start to first signature, s", lambda one: one["first_signature_seconds"]),
          ("resident, MiB", lambda one: one["resident_mib"]))


class Drawing:
    """Elements from the top down; y is where the next panel begins."""

    def __init__(self):
        self.elements, self.y = [], MARGIN

    def line(self, x1, y1, x2, y2, colour=GRID, width=1.0):
        self.elements.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"/>')

    def box(self, x, y, width, height, colour):
        self.elements.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}" rx="2"/>')

    def dot(self, x, y, colour, radius=4.0):
        self.elements.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}"/>')

    def text(self, x, y, words, colour=INK, size=12, anchor="start", weight="normal"):
        self.elements.append(f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" font-size="{size}" text-anchor="{anchor}" '
                             f'font-weight="{weight}">{html.escape(words)}</text>')

    def title(self, words, under):
        self.text(MARGIN, self.y + 12, words, size=15, weight="bold")
        self.text(MARGIN, self.y + 30, under, PALE, 11)
        self.y += 48

    def svg(self):
        height = self.y + MARGIN
        return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" viewBox="0 0 {WIDTH} {height:.0f}" '
                f'font-family="DejaVu Sans, Helvetica, Arial, sans-serif">\n<rect width="100%" height="100%" fill="#ffffff"/>\n'
                + "\n".join(self.elements) + "\n</svg>\n")


class Logarithmic:
    """From values to positions, begin .. end, for values low .. high."""

    def __init__(self, low, high, begin, end):
        self.low, self.high, self.begin, self.end = low, high, begin, end

    def __call__(self, value):
        within = min(max(value, self.low), self.high)
        return self.begin + (self.end - self.begin) * math.log(within / self.low) / math.log(self.high / self.low)

    def powers(self, base):
        first, last = math.ceil(math.log(self.low, base) - 1e-9), math.floor(math.log(self.high, base) + 1e-9)
        return [base ** power for power in range(first, last + 1)]


def around(values, base):
    """The powers of base below and above all of them, different from each other."""
    low = base ** math.floor(math.log(min(values), base))
    return low, max(base ** math.ceil(math.log(max(values), base)), low * base)


def short(value):
    """An axis label: 0.25, 1, 100, 10k, 1M."""
    if value >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"


def towards(one, value):
    """1 is the goal, more is better than it."""
    return value / one["limit"] if one["is_least"] else one["limit"] / value


def draw_goals(drawing, goals):
    goals = [one for one in goals if one["limit"]]
    if not any(one["measured"] for one in goals):
        return
    drawing.title("Goals", "how far each was met, as a multiple of the goal (a limit: the other way round); whiskers are the lowest and the highest round")
    left, right, row, top = 470, WIDTH - 175, 34, drawing.y
    reached = [towards(one, one["measured"][which]) for one in goals if one["measured"] for which in ("median", "low", "high")]
    scale = Logarithmic(*around(reached + [0.5, 2], 2), left, right)
    bottom = top + row * len(goals)
    for value in scale.powers(2):
        drawing.line(scale(value), top, scale(value), bottom, INK if value == 1 else GRID, 1.2 if value == 1 else 1)
        drawing.text(scale(value), bottom + 15, short(value), PALE, 10, "middle")
    for number, one in enumerate(goals):
        draw_goal(drawing, one, scale, top + row * number)
    drawing.y = bottom + 40


def draw_goal(drawing, one, scale, top):
    middle = top + 15
    drawing.text(MARGIN, middle - 2, one["name"], size=11)
    drawing.text(MARGIN, middle + 11, f"against {one['against']}; goal {one['goal']}", PALE, 9)
    if not one["measured"]:
        drawing.text(scale.begin + 6, middle + 4, "not measured", ABSENT, 10)
        return
    colour = MET if one["met"] else MISSED
    low, at, high = sorted(scale(towards(one, one["measured"][which])) for which in ("low", "median", "high"))
    drawing.box(min(scale(1), at), middle - 7, max(abs(at - scale(1)), 1), 14, colour)
    drawing.line(low, middle, high, middle, INK, 1.4)
    for end in (low, high):
        drawing.line(end, middle - 4, end, middle + 4, INK, 1.4)
    unit = "x" if one["unit"] == "x" else " " + one["unit"]
    drawing.text(scale.end + 12, middle + 4, f"{one['measured']['median']:,.3g}{unit} {'met' if one['met'] else 'not met'}", colour, 11, weight="bold")


def draw_growth(drawing, counts):
    drawing.title("By the number of keys", "all keys attest to the same at once, over as many kept connections, at most "
                  f"{bench_burst.CONNECTIONS}, SQLite; both axes logarithmic")
    height, gap = 190, 60
    width = (WIDTH - 2 * MARGIN - 3 * gap + 20) / 3
    for number, (name, value_of) in enumerate(CURVES):
        left = MARGIN + 36 + number * (width + gap)
        draw_curve(drawing, name, [(one["keys"], value_of(one)) for one in counts], (left, drawing.y, left + width, drawing.y + height))
    drawing.y += height + 44


def draw_curve(drawing, name, points, frame):
    left, top, right, bottom = frame
    spreads = [(keys, value if isinstance(value, dict) else {"median": value, "low": value, "high": value}) for keys, value in points]
    x = Logarithmic(*around([keys for keys, _ in spreads], 10), left, right)
    y = Logarithmic(*around([value[which] for _, value in spreads for which in value], 10), bottom, top + 22)
    drawing.text(left, top + 8, name, size=11, weight="bold")
    for value in x.powers(10):
        drawing.line(x(value), top + 22, x(value), bottom)
        drawing.text(x(value), bottom + 15, short(value), PALE, 10, "middle")
    for value in y.powers(10):
        drawing.line(left, y(value), right, y(value))
        drawing.text(left - 6, y(value) + 4, short(value), PALE, 10, "end")
    for (keys, one), (next_keys, following) in zip(spreads, spreads[1:]):
        drawing.line(x(keys), y(one["median"]), x(next_keys), y(following["median"]), MET, 2)
    for keys, one in spreads:
        drawing.line(x(keys), y(one["low"]), x(keys), y(one["high"]), INK, 1.4)
        drawing.dot(x(keys), y(one["median"]), MET)


def draw_models(drawing, models):
    drawing.title("Latency by load model", "of all requests, medians of rounds, microseconds, logarithmic")
    left, right, row, top = 330, WIDTH - MARGIN - 20, 30, drawing.y + 14
    rows = [(one["name"], [statistics.median(r["load"][key] for r in one["rounds"]) for key, _, _ in QUANTILES]) for one in models]
    scale = Logarithmic(*around([value for _, values in rows for value in values], 10), left, right)
    for number, (_, name, colour) in enumerate(QUANTILES):
        drawing.dot(left + 70 * number, drawing.y, colour)
        drawing.text(left + 70 * number + 9, drawing.y + 4, name, size=11)
    bottom = top + row * len(rows)
    for value in scale.powers(10):
        drawing.line(scale(value), top, scale(value), bottom)
        drawing.text(scale(value), bottom + 15, short(value), PALE, 10, "middle")
    for number, (name, values) in enumerate(rows):
        middle = top + row * number + row / 2
        drawing.text(MARGIN, middle + 4, name, size=11)
        drawing.line(scale(values[0]), middle, scale(values[-1]), middle, ABSENT, 2)
        for value, (_, _, colour) in zip(values, QUANTILES):
            drawing.dot(scale(value), middle, colour)
    drawing.y = bottom + 30


def picture(report):
    """report is what report.json holds."""
    drawing = Drawing()
    machine = report["machine"]
    drawing.text(MARGIN, drawing.y + 14, "nitro-signer bench", size=18, weight="bold")
    drawing.text(MARGIN, drawing.y + 34, f"{machine['processor']}, {machine['cores']} cores, Linux {machine['kernel']}; {machine['date']}, "
                 f"load average at the start {machine['load_average']:.1f}", PALE)
    drawing.y += 62
    draw_goals(drawing, report["goals"])
    growth = report["modules"].get("growth", {}).get("found")
    if growth:
        draw_growth(drawing, growth["counts"])
    models = report["modules"].get("models", {}).get("found")
    if models:
        draw_models(drawing, models["models"])
    return drawing.svg()
