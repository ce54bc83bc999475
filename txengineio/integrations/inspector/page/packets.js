// The list of packets: what went in and out, and what happened meanwhile.

import { MESSAGE, OPEN, sizeOf } from "./client.js";
import { byId, element, onceAFrame } from "./dom.js";
import { showMessage } from "./message.js";
import { bytes, exactly, hexStart, many, number, visible } from "./text.js";

const KEPT_ROWS = 500;
const KEPT_BYTES = 32_000_000;
const TYPES = ["open", "close", "ping", "pong", "message", "upgrade", "noop"];

/** What messages begin with that the page sends to measure. */
export const MEASUREMENT = "inspector round trip ";

// One for each row, the oldest first. A row is made when it is drawn.
const entries = [];
// Rows of entries that are gone, until the next frame.
const leaving = [];
const totals = { in: 0, out: 0, bytesIn: 0, bytesOut: 0 };
let cut = 0;
// Whether the latest row is to be in sight: until somebody scrolls away from it.
let follows = true;
let weight = 0;
let count = 0;
let selected = null;

/** Tell what happened, between the packets. */
export function logEvent(text) {
  add({ at: new Date(), event: text, size: 0 });
}

/** Show a packet, and count it. */
export function logPacket({ direction, packet, transport }) {
  const size = sizeOf(packet);
  totals[direction] += 1;
  totals[direction === "in" ? "bytesIn" : "bytesOut"] += size;
  const measures = typeof packet === "string" && packet.startsWith(MESSAGE + MEASUREMENT);
  // Rows that nobody asked for would only push out the others.
  if (measures && !byId("show-measurements").checked) drawSoon();
  else add({ at: new Date(), direction, packet, transport, size, measures });
}

/** Draw again, for another size of the window. */
export const drawPackets = () => drawSoon();

function clear() {
  entries.length = leaving.length = 0;
  for (const name of Object.keys(totals)) totals[name] = 0;
  cut = weight = 0;
  select(null);
  byId("log").replaceChildren();
  drawSoon();
}

function add(entry) {
  entries.push(entry);
  weight += entry.size;
  if (entries.length > KEPT_ROWS) {
    const gone = entries.shift();
    cut += 1;
    if (gone.packet !== null) weight -= gone.size;
    if (gone.row) leaving.push(gone.row);
    if (gone === selected) select(null);
  }
  if (weight > KEPT_BYTES) letContentsGo(entry);
  drawSoon();
}

/** Let go of what the oldest packets said; what they were stays. */
function letContentsGo(latest) {
  for (const entry of entries) {
    if (weight <= KEPT_BYTES || entry === latest) return;
    if (!entry.packet) continue;
    entry.packet = null;
    weight -= entry.size;
  }
}

// --- drawing ---------------------------------------------------------------------------

// However many packets come, the page is touched once a frame.
const drawSoon = onceAFrame(() => {
  const log = byId("log");
  for (const row of leaving.splice(0)) row.remove();
  const fresh = entries.slice(entries.findLastIndex((entry) => entry.row) + 1);
  log.append(...fresh.map(rowOf));
  if (follows) log.scrollTop = log.scrollHeight;
  byId("totals").textContent = `${number(totals.in)} in, ${bytes(totals.bytesIn)} · ${number(totals.out)} out, ${bytes(totals.bytesOut)}`;
  byId("cut").hidden = cut === 0;
  byId("cut").textContent = `${many(cut, "earlier row")} cut; the last ${KEPT_ROWS} are kept.`;
});

function rowOf(entry) {
  const row = element("li");
  row.id = `row-${(count += 1)}`;
  row.setAttribute("role", "option");
  row.setAttribute("aria-selected", "false");
  entry.row = row;
  if (entry.event) fillEvent(row, entry);
  else fillPacket(row, entry);
  return row;
}

function fillEvent(row, { at, event }) {
  row.className = "event";
  row.append(element("span", "time", exactly(at)), " ", element("span", "content", event));
}

function fillPacket(row, entry) {
  const { at, direction, transport, size, measures } = entry;
  row.className = measures ? "measurement" : "packet";
  row.dataset.on = transport;
  const type = element("span", "type", typeOf(entry));
  type.dataset.arrow = direction === "in" ? "↓" : "↑";
  type.prepend(element("span", "hidden", `${direction} `));
  const content = element("span", "content");
  content.append(visible(startOf(entry)));
  row.append(element("span", "time", exactly(at)), type, element("span", "on", transport));
  row.append(element("span", "size", bytes(size)), content);
}

function typeOf({ packet }) {
  if (packet === null) return "packet";
  return typeof packet === "string" ? (TYPES[packet[0]] ?? "unknown") : "binary";
}

function startOf({ packet }) {
  if (packet === null) return "(not kept)";
  return typeof packet === "string" ? bodyOf(packet.slice(0, 300)) : hexStart(packet, 24);
}

/** Return what comes after a packet's type; the session's id is nobody's business. */
function bodyOf(packet) {
  const body = packet.slice(1);
  return packet[0] === OPEN ? body.replace(/("sid":"[^"]{6})[^"]*/, "$1…") : body;
}

// --- choosing one ------------------------------------------------------------------------

function select(entry) {
  selected?.row?.setAttribute("aria-selected", "false");
  selected = entry;
  if (!entry) {
    byId("log").removeAttribute("aria-activedescendant");
    return;
  }
  entry.row.setAttribute("aria-selected", "true");
  byId("log").setAttribute("aria-activedescendant", entry.row.id);
  entry.row.scrollIntoView({ block: "nearest" });
}

function open(entry) {
  if (!entry || entry.event) return;
  const { at, direction, packet, transport, size } = entry;
  const type = packet instanceof ArrayBuffer ? "binary message" : typeOf(entry);
  showMessage({
    title: `${type} ${direction === "in" ? "from the server" : "to the server"}`,
    facts: `${exactly(at)} · ${transport} · ${bytes(size)}`,
    whole: typeof packet === "string" ? bodyOf(packet) : packet,
  });
}

const shownEntries = () => entries.filter((entry) => entry.row && !entry.row.matches("[data-hide] > .measurement"));

const MOVES = {
  ArrowUp: (shown, at) => shown[at < 0 ? shown.length - 1 : Math.max(0, at - 1)],
  ArrowDown: (shown, at) => shown[Math.min(shown.length - 1, at + 1)],
  Home: (shown) => shown[0],
  End: (shown) => shown.at(-1),
};

byId("log").addEventListener("keydown", (event) => {
  const move = MOVES[event.key];
  if (!move && event.key !== "Enter" && event.key !== " ") return;
  event.preventDefault();
  if (!move) return open(selected);
  const shown = shownEntries();
  if (shown.length) select(move(shown, shown.indexOf(selected)));
});

byId("log").addEventListener("click", ({ target }) => {
  // Who marks text to copy it wants to see no dialog.
  if (!getSelection().isCollapsed) return;
  const row = target.closest("li");
  const entry = row && entries.find((each) => each.row === row);
  if (!entry) return;
  select(entry);
  open(entry);
});

byId("clear").addEventListener("click", clear);
byId("log").addEventListener("scroll", ({ target }) => {
  if (target.clientHeight) follows = target.scrollHeight - target.scrollTop - target.clientHeight < 40;
});
byId("show-measurements").addEventListener("change", ({ target }) => {
  byId("log").toggleAttribute("data-hide", !target.checked);
  drawSoon();
});
drawSoon();
