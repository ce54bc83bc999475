// The chart of round trips: one minute.

import { byId, onceAFrame } from "./dom.js";
import { milliseconds } from "./text.js";

const SVG = "http://www.w3.org/2000/svg";
const SPAN = 60_000;
const MOST_POINTS = 600;

let points = [];
let moments = [];

/** Add how long a message took to come back. */
export function addRoundTrip(value, transport) {
  points.push({ at: performance.now(), value, transport });
  if (points.length > MOST_POINTS) points.shift();
  drawChart();
}

/** Mark the moment of an upgrade. */
export function markUpgrade() {
  moments.push(performance.now());
  drawChart();
}

export const drawChart = onceAFrame(() => {
  forgetOld();
  showFigures();
  const { width, height } = byId("chart").getBoundingClientRect();
  if (!width) return;
  const scale = scaleFor(width, height);
  byId("chart").setAttribute("viewBox", `0 0 ${width} ${height}`);
  byId("chart").replaceChildren(...grid(scale), ...upgrades(scale), ...lines(scale));
});

function forgetOld() {
  const since = performance.now() - SPAN;
  points = points.filter((point) => point.at > since);
  moments = moments.filter((at) => at > since);
}

function showFigures() {
  if (!points.length) {
    byId("trip-now").textContent = "–";
    byId("trip-summary").textContent = "";
    return;
  }
  const values = points.map((point) => point.value).sort((one, other) => one - other);
  byId("trip-now").textContent = milliseconds(points.at(-1).value);
  const middle = values[values.length >> 1];
  byId("trip-summary").textContent = `median ${milliseconds(middle)}, most ${milliseconds(values.at(-1))}`;
}

function scaleFor(width, height) {
  const now = performance.now();
  const top = roundUp(Math.max(2, ...points.map((point) => point.value)));
  const [left, right, bottom] = [44, width - 6, height - 18];
  const x = (at) => right - ((now - at) / SPAN) * (right - left);
  const y = (value) => bottom - (value / top) * (bottom - 8);
  return { width, height, top, left, right, bottom, x, y };
}

function grid({ height, top, left, right, y }) {
  const parts = [];
  for (const share of [0, 0.5, 1]) {
    parts.push(shape("line", { x1: left, x2: right, y1: y(top * share), y2: y(top * share) }));
    parts.push(label(`${+(top * share).toPrecision(2)} ms`, { x: left - 6, y: y(top * share) + 4, "text-anchor": "end" }));
  }
  parts.push(label("a minute ago", { x: left, y: height - 3 }));
  parts.push(label("now", { x: right, y: height - 3, "text-anchor": "end" }));
  if (!points.length) parts.push(label("No round trip in this minute", { x: (left + right) / 2, y: y(top / 2) - 8, "text-anchor": "middle" }));
  return parts;
}

function upgrades({ width, bottom, x }) {
  return moments.flatMap((at) => {
    const parts = [shape("line", { class: "moment", x1: x(at), x2: x(at), y1: 0, y2: bottom })];
    // Not on top of each other: the latest has the word.
    if (moments.some((other) => other > at && x(other) - x(at) < 60)) return parts;
    const late = x(at) > width - 60;
    const place = { x: x(at) + (late ? -5 : 5), "text-anchor": late ? "end" : "start" };
    return [...parts, label("upgrade", { class: "moment", y: 9, ...place })];
  });
}

function lines({ x, y }) {
  return runs().flatMap((run) => {
    const line = run.map((point) => `${x(point.at).toFixed(1)} ${y(point.value).toFixed(1)}`).join("L");
    const dots = run.map((point) => shape("circle", { class: point.transport, cx: x(point.at), cy: y(point.value), r: 2 }));
    return [shape("path", { class: run[0].transport, d: `M${line}` }), ...dots];
  });
}

/** Split points where the transport changes, or where a measurement is missing. */
function runs() {
  const found = [];
  for (const point of points) {
    const last = found.at(-1)?.at(-1);
    if (last?.transport === point.transport && point.at - last.at < 5000) found.at(-1).push(point);
    else found.push([point]);
  }
  return found;
}

function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((each) => each * power).find((each) => each >= value);
}

function shape(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function label(text, attributes) {
  const made = shape("text", attributes);
  made.textContent = text;
  return made;
}
