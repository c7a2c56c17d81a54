"""The report of a soak: a table of its minutes, and the picture of its seconds."""
import html
import math

WIDTH, HEIGHT, LEFT, TOP, GAP = 1100, 150, 70, 60, 46
POINTS = 400
INK, PALE, GRID = "#1f2933", "#616e7c", "#dde3ea"
LINES = (("p50_us", "p50", "#2a7f62"), ("p99_us", "p99", "#c99a2e"), ("max_us", "max", "#c4572e"))


def _rows(result, period=60):
    """Of each minute: what happened, and the latencies of its seconds."""
    rows = {}
    for second in result["series"]:
        rows.setdefault(int((second["at"] - result["began"]) // period), []).append(second)
    for minute, seconds in sorted(rows.items()):
        busy = [second for second in seconds if sum(second["statuses"].values())] or seconds
        statuses = {name: sum(second["statuses"][name] for second in seconds) for name in seconds[0]["statuses"]}
        acts = [act["name"] for act in result["acts"] if int((act["began"] - result["began"]) // period) == minute]
        middle = lambda name: sorted(second[name] for second in busy)[len(busy) // 2] / 1e3  # noqa: E731
        yield {"minute": minute, "rate": sum(statuses.values()) / sum(second["seconds"] for second in seconds), "statuses": statuses,
               "cut": sum(second["cut"] for second in seconds), "p50": middle("p50_us"), "p99": middle("p99_us"),
               "max": max(second["max_us"] for second in busy) / 1e3, "acts": len(acts)}


def as_text(result):
    answers = sum(sum(second["statuses"].values()) for second in result["series"])
    text = (f"{result['title']}: {result['seconds'] / 60:.1f} minutes, seed {result['seed']}, {result['keys']} keys, {result['connections']} connections; "
            f"{answers:,} answers, {result['oracle']['signed']:,} of them signatures, {result['verified']:,} of those verified\n"
            "  minute   answers/s   p50 ms   p99 ms   max ms      200     412    404    500/503   cut   deeds   (p50 and p99: of the middle second)\n")
    for row in _rows(result):
        s = row["statuses"]
        text += (f"  {row['minute']:>6} {row['rate']:>11,.0f} {row['p50']:>8,.1f} {row['p99']:>8,.1f} {row['max']:>8,.0f} {s['200']:>8,} {s['412']:>7,} "
                 f"{s['404']:>6,} {s['500'] + s['503']:>10,} {row['cut']:>5} {row['acts']:>7}\n")
    done = {}
    for act in result["acts"]:
        done[act["name"]] = done.get(act["name"], 0) + 1
    text += "  done to it: " + "; ".join(f"{name} ({count})" for name, count in sorted(done.items())) + "\n"
    text += f"  refused since the time for a record or a signature was over: {result['late']}\n"
    text += "  beside: " + ", ".join(f"{count} clients {name}" for name, count in result["rude"].items()) + "\n"
    for one in result["growths"]:
        text += f"  {one['name']}: lived {one['seconds']:.0f} s, grew by {one['bytes'] / 1024:,.0f} KiB over {one['answers']:,.0f} answers\n"
    names = sorted(result["quiet"][0])
    text += "  descriptors when quiet, before and after: " + ", ".join(
        f"{name.removeprefix('nitro-signer-')} {result['quiet'][0][name][0]} {result['quiet'][1].get(name, ('gone',))[0]}" for name in names) + "\n"
    return text + verdict(result)


def verdict(result):
    text = ""
    for judge, complaints in result.get("verdicts", {}).items():
        text += f"  {'ok ' if not complaints else 'RED'} {judge}\n"
    return text + "".join(f"  RED {complaint}\n" for complaint in result["wrong"][:20])


class Panel:
    """A diagram over time; values from low to high, in decades when logarithmic."""

    def __init__(self, y, title, seconds, low, high, logarithmic):
        self.elements, self._y, self._seconds = [], y, seconds
        self._low, self._high, self._log = low, max(high, low * 10 if logarithmic else low + 1), logarithmic
        self.text(LEFT, y - 8, title, INK, 13)
        marks = [10 ** i for i in range(int(math.log10(low)), math.ceil(math.log10(self._high)) + 1)] if logarithmic else [low, self._high / 2, self._high]
        for mark in marks:
            if low <= mark <= self._high:
                self.line(LEFT, self.at(mark), WIDTH - 20, self.at(mark), GRID)
                self.text(LEFT - 6, self.at(mark) + 4, f"{mark:,.0f}", PALE, 11, "end")

    def x(self, seconds):
        return LEFT + (WIDTH - 20 - LEFT) * seconds / self._seconds

    def at(self, value):
        value = min(max(value, self._low), self._high)
        share = (math.log(value / self._low) / math.log(self._high / self._low)) if self._log else (value - self._low) / (self._high - self._low)
        return self._y + HEIGHT * (1 - share)

    def line(self, x1, y1, x2, y2, colour, width=1.0):
        self.elements.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"/>')

    def text(self, x, y, words, colour, size, anchor="start"):
        self.elements.append(f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" font-size="{size}" text-anchor="{anchor}">{html.escape(words)}</text>')

    def curve(self, points, colour):
        """The highest of each few, where there are more than the picture can show."""
        step = 1 + len(points) // POINTS
        points = [max(points[at:at + step], key=lambda point: point[1]) for at in range(0, len(points), step)]
        path = " ".join(f"{self.x(x):.1f},{self.at(y):.1f}" for x, y in points)
        self.elements.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1"/>')


def _panels(result, y):
    began, seconds = result["began"], result["seconds"]
    series = [(second["at"] - began, second) for second in result["series"]]
    rates = [(x, sum(second["statuses"].values()) / max(second["seconds"], 0.001)) for x, second in series]
    panel = Panel(y, f"{result['title']}: answers a second; the grey lines are deeds, the red ones end processes or the store", seconds, 0,
                  max((rate for _, rate in rates), default=1), False)
    for act in result["acts"]:
        colour = "#f0b8a8" if "cuts" in act["effects"] or "errors" in act["effects"] else "#e4e7eb"
        panel.line(panel.x(act["began"] - began), y, panel.x(act["began"] - began), y + HEIGHT * 2 + GAP, colour)
    panel.curve(rates, "#3d6fb4")
    yield panel
    y += HEIGHT + GAP
    panel = Panel(y, "latency of each second, ms (logarithmic): " + ", ".join(name for _, name, _ in LINES), seconds, 0.1,
                  max((second["max_us"] / 1e3 for _, second in series), default=1), True)
    for name, _, colour in reversed(LINES):
        panel.curve([(x, second[name] / 1e3) for x, second in series if second[name]], colour)
    yield panel
    y += HEIGHT + GAP
    most = max((memory for samples in result["memory"].values() for _, memory in samples), default=1) / 2 ** 20
    panel = Panel(y, "resident memory, MiB: " + ", ".join(name.removeprefix("nitro-signer-") for name in sorted(result["memory"])), seconds, 0, most, False)
    for number, samples in enumerate(result["memory"].values()):
        panel.curve([(at - began, memory / 2 ** 20) for at, memory in samples], ("#2a7f62", "#3d6fb4", "#c99a2e", "#c4572e", "#7a5195", "#616e7c")[number % 6])
    yield panel


def as_svg(results):
    panels, y = [], TOP
    for result in results:
        made = list(_panels(result, y))
        panels += made
        y += len(made) * (HEIGHT + GAP) + GAP // 2
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}" '
            'font-family="DejaVu Sans, Helvetica, Arial, sans-serif">\n<rect width="100%" height="100%" fill="#ffffff"/>\n'
            + "\n".join(element for panel in panels for element in panel.elements) + "\n</svg>\n")
