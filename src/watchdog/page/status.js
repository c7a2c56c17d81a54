// status.js - keeps the status page fresh: words from status.json, charts and tables from history.json.
// Nothing that was fetched is ever parsed as HTML: elements are made one by one, and texts are set as text.
"use strict";

const STATUS_MS = 2000, HISTORY_MS = 5000, PATIENCE_MS = 8000;
const shown = { span: "fine", history: null, heard: Date.now() };

const TYPES = new Map([["SSZ", "SSZ"]]); // no object: what an enclave may call a type, it would have as a member of its own
const KINDS = {
  enclave_started: "Enclave started", serving: "Serving", enclave_ended: "Enclave ended", init_refused: "The enclave did not take its keys",
  credentials_refused: "Credentials were refused", signer_failed: "The signer failed for good", keys_failed: "Keys could not be loaded",
  store_failing: "The record does not answer", store_works: "The record works again", fetch_failed: "Keys or credentials could not be fetched",
  nitro_cli_failed: "nitro-cli failed",
};

// ---- elements ----

function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function draw(name, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

const two = (number) => String(number).padStart(2, "0");
const clock = (date, seconds) => `${two(date.getHours())}:${two(date.getMinutes())}${seconds ? `:${two(date.getSeconds())}` : ""}`;
const words = (text) => { const plain = text.replaceAll("_", " ").toLowerCase(); return TYPES.get(text) ?? plain[0].toUpperCase() + plain.slice(1); };

function table(heads, rows) {
  const numeric = (cell) => (typeof cell === "number" ? { class: "number" } : {});
  const number = (cell) => (typeof cell === "number" ? cell.toLocaleString("en-US") : cell);
  return make("table", {},
    make("thead", {}, make("tr", {}, ...heads.map((head, i) => make("th", { scope: "col", ...numeric(rows[0]?.[i]) }, head)))),
    make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((cell) => make("td", numeric(cell), number(cell)))))));
}

// Below its heading; hidden without rows.
function fill(id, heads, rows) {
  const article = document.getElementById(id);
  article.hidden = rows.length === 0;
  article.replaceChildren(article.querySelector("h2"), ...(rows.length ? [table(heads, rows)] : []));
}

// ---- what is now ----

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function showStatus(status) {
  for (const element of document.querySelectorAll("[data-word]")) setText(element, status.page[element.dataset.word] ?? "");
  document.getElementById("condition").dataset.level = status.level;
  document.title = `nitro-signer: ${status.page.headline}`;
  const signing = status.signing ?? { signatures: {}, answers: {}, refusals: {} };
  const byCount = (a, b) => b[1] - a[1];
  fill("signatures", ["Type", "Since its start"], Object.entries(signing.signatures).sort(byCount).map(([type, count]) => [words(type), count]));
  const reasons = Object.entries(signing.refusals).sort(byCount).map(([reason, count]) => [`Refused: ${words(reason).toLowerCase()}`, count]);
  const answers = Object.entries(signing.answers).sort(byCount).filter(([outcome]) => !(reasons.length && outcome === "slashing_protection"));
  fill("answers", ["Answer", "Since its start"], [...answers.map(([outcome, count]) => [words(outcome), count]), ...reasons]);
  fill("events", ["When", "What"], status.events.map((event) => [
    whenWas(event.at), KINDS[event.kind] + (event.detail ? ` (${event.detail.replaceAll("_", " ")})` : "") + (event.times > 1 ? `, ${event.times} times` : "")]));
}

function whenWas(seconds) {
  const date = new Date(seconds * 1000);
  const today = date.toDateString() === new Date().toDateString();
  return (today ? "" : `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} `) + clock(date, true);
}

// ---- charts ----

const per = (ring, name) => ring[name].map((count, i) => (count === null || !ring.seconds[i] ? null : count / ring.seconds[i]));
const short = (value) => (value === null ? "-" : value >= 100 ? Math.round(value).toLocaleString("en-US") : String(+value.toFixed(value >= 10 ? 1 : 2)));
const time = (ms) => (ms === null ? "-" : ms >= 1000 ? `${short(ms / 1000)} s` : `${short(ms)} ms`);

const CHARTS = [
  { id: "chart-signed", format: (value) => short(value), lines: (ring) => [{ name: "signed", tone: "signed", values: per(ring, "signed"), area: true }] },
  {
    id: "chart-refused", bars: true, whole: true, format: (value) => short(value),
    lines: (ring) => [{ name: "refused", tone: "refused", values: ring.refused }, { name: "failed", tone: "failed", values: ring.failed },
      { name: "asked wrongly", tone: "wrong", values: ring.wrong }],
  },
  {
    id: "chart-latency", format: time,
    lines: (ring) => [{ name: "p99", tone: "slow", values: ring.p99_ms, area: true }, { name: "p50", tone: "fast", values: ring.p50_ms }],
  },
];

// 1, 2 or 5 times a power of ten that divides the height into some lines.
function step(most, whole) {
  const raw = most / 4, power = 10 ** Math.floor(Math.log10(raw)), digit = raw / power;
  const nice = (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10) * power;
  return whole ? Math.max(1, nice) : nice;
}

const TICKS = [10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800];
const MARGIN = { left: 52, right: 8, top: 10, bottom: 22 };

function places(ring, width, height, most) {
  // A young watchdog's samples are shown wider, up to a twelfth of the time.
  const whole = (shown.span === "fine" ? 360 : 1440) * ring.step_seconds;
  const end = ring.at.length ? ring.at[ring.at.length - 1] : Math.floor(Date.now() / 1000);
  const span = Math.min(whole, Math.max(whole / 12, ring.at.length ? end - ring.at[0] + ring.step_seconds : 0));
  const inner = { width: width - MARGIN.left - MARGIN.right, height: height - MARGIN.top - MARGIN.bottom };
  return {
    end, span, inner,
    x: (at) => MARGIN.left + inner.width * (1 - (end - at) / span),
    y: (value) => MARGIN.top + inner.height * (1 - value / most),
  };
}

function drawAxes(svg, place, most, each, format, width) {
  for (let value = 0; value <= most * 1.0001; value += each) {
    const y = place.y(value);
    svg.append(draw("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y, y2: y }),
      draw("text", { x: MARGIN.left - 8, y: y + 4, "text-anchor": "end" }, format(value)));
  }
  const every = TICKS.find((seconds) => place.inner.width * seconds / place.span >= 70) ?? 86400;
  const zone = new Date(place.end * 1000).getTimezoneOffset() * 60;
  for (let at = Math.ceil((place.end - place.span - zone) / every) * every + zone; at <= place.end; at += every) {
    const x = place.x(at);
    if (x < MARGIN.left + 14 || x > width - MARGIN.right - 14) continue;
    svg.append(draw("text", { x, y: place.y(0) + 17, "text-anchor": "middle" }, clock(new Date(at * 1000), every < 60)));
  }
}

// Pieces of a line: what is not known interrupts it; where nothing was asked for, it goes on to the next answer.
function pieces(ring, values, place) {
  const found = [];
  let piece = null;
  values.forEach((value, i) => {
    const x = place.x(ring.at[i]);
    if (ring.signed[i] === null || x < MARGIN.left) { piece = null; return; }
    if (value === null) return;
    if (!piece) found.push(piece = []);
    piece.push([x.toFixed(1), place.y(value).toFixed(1)]);
  });
  return found;
}

function drawLine(svg, ring, line, place) {
  const group = draw("g", { class: `t-${line.tone}` });
  for (const piece of pieces(ring, line.values, place)) {
    const path = piece.map(([x, y], i) => `${i ? "L" : "M"}${x} ${y}`).join("");
    const last = piece[piece.length - 1];
    if (line.area) group.append(draw("path", { class: "area", d: `${path}L${last[0]} ${place.y(0)}L${piece[0][0]} ${place.y(0)}Z` }));
    if (piece.length === 1) group.append(draw("circle", { class: "bar", cx: last[0], cy: last[1], r: 2 }));
    else group.append(draw("path", { class: "line", d: path }));
  }
  svg.append(group);
}

function drawBars(svg, ring, lines, place) {
  const wide = Math.max(2, place.inner.width * ring.step_seconds / place.span - 0.6);
  const below = ring.at.map(() => 0);
  for (const line of lines) {
    const group = draw("g", { class: `t-${line.tone}` });
    line.values.forEach((value, i) => {
      const x = place.x(ring.at[i]) - wide;
      if (!value || x < MARGIN.left) return;
      const y = place.y(below[i] + value);
      group.append(draw("rect", { class: "bar", x: x.toFixed(1), y: y.toFixed(1), width: wide.toFixed(1), height: Math.max(1, place.y(below[i]) - y).toFixed(1) }));
      below[i] += value;
    });
    svg.append(group);
  }
}

function drawGaps(svg, ring, place) {
  ring.signed.forEach((value, i) => {
    const width = place.inner.width * ring.step_seconds / place.span, x = place.x(ring.at[i]) - width;
    if (value === null && x >= MARGIN.left) svg.append(draw("rect", { class: "gap", x, y: MARGIN.top, width: width + 0.3, height: place.inner.height }));
  });
}

function legend(chart, lines, ring, at) {
  const stamp = at === null ? [] : [make("b", {}, whenWas(ring.at[at]))];
  return make("div", { class: "legend" }, ...stamp, ...lines.map((line) => {
    const value = at === null ? "" : ` ${chart.format(line.values[at])}`;
    return make("span", { class: `t-${line.tone}` }, make("b", {}, line.name + value));
  }));
}

function alternative(chart, lines, ring, figure) {
  const open = figure.querySelector("details")?.open;
  const rows = ring.at.map((at, i) => [whenWas(at), ...lines.map((line) => chart.format(line.values[i]))]).reverse().slice(0, 60);
  const details = make("details", open ? { open: "" } : {}, make("summary", {}, "As a table"));
  // Made when somebody looks.
  const show = () => { if (details.open && details.children.length === 1) details.append(make("div", {}, table(["When", ...lines.map((line) => line.name)], rows))); };
  details.addEventListener("toggle", show);
  show();
  return details;
}

// The sample under the pointer, its numbers in the legend.
function follow(svg, chart, lines, ring, place, figure) {
  const cursor = draw("line", { class: "cursor", y1: MARGIN.top, y2: place.y(0), visibility: "hidden" });
  svg.append(cursor);
  const tell = (at) => figure.querySelector(".legend").replaceWith(legend(chart, lines, ring, at));
  svg.addEventListener("pointermove", (event) => {
    const x = event.clientX - svg.getBoundingClientRect().left;
    let best = null;
    ring.at.forEach((at, i) => { if (best === null || Math.abs(place.x(at) - x) < Math.abs(place.x(ring.at[best]) - x)) best = i; });
    if (best === null) return;
    cursor.setAttribute("x1", place.x(ring.at[best]));
    cursor.setAttribute("x2", place.x(ring.at[best]));
    cursor.setAttribute("visibility", "visible");
    shown.pointed = true;
    tell(best);
  });
  svg.addEventListener("pointerleave", () => { shown.pointed = false; cursor.setAttribute("visibility", "hidden"); tell(null); });
}

function summary(chart, lines, ring) {
  const parts = lines.map((line) => {
    const known = line.values.filter((value) => value !== null);
    return known.length ? `${line.name}: last ${chart.format(known[known.length - 1])}, most ${chart.format(Math.max(...known))}` : `${line.name}: not known`;
  });
  return `${parts.join("; ")}; ${ring.at.length} samples`;
}

function showChart(chart, ring) {
  const figure = document.getElementById(chart.id), caption = figure.querySelector("figcaption");
  const lines = chart.lines(ring);
  const width = figure.clientWidth - 34, height = chart.id === "chart-signed" ? 220 : 190;
  const tops = ring.at.map((_, i) => (chart.bars ? lines.reduce((sum, line) => sum + (line.values[i] ?? 0), 0) : Math.max(...lines.map((line) => line.values[i] ?? 0))));
  const highest = Math.max(chart.whole ? 4 : 0.001, ...tops), each = step(highest, chart.whole), most = Math.ceil(highest / each) * each;
  const place = places(ring, width, height, most);
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": summary(chart, lines, ring) });
  drawGaps(svg, ring, place);
  drawAxes(svg, place, most, each, chart.format, width);
  if (chart.bars) drawBars(svg, ring, lines, place);
  else for (const line of lines) drawLine(svg, ring, line, place);
  const details = alternative(chart, lines, ring, figure);
  caption.replaceChildren(caption.querySelector("h2"), legend(chart, lines, ring, null));
  figure.replaceChildren(caption, svg, details);
  follow(svg, chart, lines, ring, place, figure);
}

// How long the finer samples reach back: an hour, if one is taken each ten seconds.
function spanName(seconds) {
  if (seconds % 3600) return `Last ${Math.round(seconds / 60)} minutes`;
  return seconds === 3600 ? "Last hour" : `Last ${seconds / 3600} hours`;
}

function showHistory() {
  if (!shown.history || shown.pointed) return;
  setText(document.querySelector("#spans [data-span=fine]"), spanName(360 * shown.history.fine.step_seconds));
  for (const chart of CHARTS) showChart(chart, shown.history[shown.span]);
}

// ---- fetching ----

async function get(path) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(PATIENCE_MS) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

function tellAge(failed) {
  const banner = document.getElementById("stale");
  if (!failed) shown.heard = Date.now();
  banner.hidden = !failed;
  document.body.classList.toggle("old", failed);
  if (!failed) return;
  setText(banner, `Stale: the watchdog has not answered since ${clock(new Date(shown.heard), true)}. What is shown is how it was then.`);
  document.getElementById("condition").dataset.level = "stale";
}

// One request at a time; the next one so long after it.
async function keep(what, everyMs) {
  try {
    await what();
  } catch {
    tellAge(true);
  }
  setTimeout(keep, everyMs, what, everyMs);
}

async function refreshStatus() {
  showStatus(await get("/status.json"));
  tellAge(false);
}

async function refreshHistory() {
  shown.history = await get("/history.json");
  showHistory();
}

for (const button of document.querySelectorAll("#spans button")) {
  button.addEventListener("click", () => {
    shown.span = button.dataset.span;
    for (const other of document.querySelectorAll("#spans button")) other.setAttribute("aria-pressed", String(other === button));
    showHistory();
  });
}
document.getElementById("spans").hidden = false;
window.addEventListener("resize", showHistory);
void keep(refreshStatus, STATUS_MS);
void keep(refreshHistory, HISTORY_MS);
