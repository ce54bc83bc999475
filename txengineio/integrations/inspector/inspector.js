// The inspector's page: an Engine.IO client that shows what it does, and a table of all
// sessions of the server. Protocol revision 4, by hand, without anything else.

"use strict";

const byId = (id) => document.getElementById(id);
const { engine: PATH, echoes: ECHOES } = document.documentElement.dataset;
const SEPARATOR = "\x1e";
const TYPES = ["open", "close", "ping", "pong", "message", "upgrade", "noop"];
const [OPEN, CLOSE, PING, PONG, MESSAGE, UPGRADE] = "012345";

// --- the client ------------------------------------------------------------------------

const encoder = new TextEncoder();
const sizeOf = (packet) => (typeof packet === "string" ? encoder.encode(packet).length : packet.byteLength);

function toBase64(buffer) {
  let characters = "";
  const bytes = new Uint8Array(buffer);
  for (let start = 0; start < bytes.length; start += 32768) {
    characters += String.fromCharCode(...bytes.subarray(start, start + 32768));
  }
  return btoa(characters);
}

const fromBase64 = (text) => Uint8Array.from(atob(text), (each) => each.charCodeAt(0)).buffer;

class Client {
  /**
   * One session, from its first request to its end.
   * @param mode "upgrade", "polling" or "websocket"
   * @param tell called with the name of what happens, and its details
   */
  constructor(mode, tell) {
    this.mode = mode;
    this.tell = tell;
    this.transport = mode === "websocket" ? "websocket" : "polling";
    this.state = "opening";
    this.queue = [];
    this.posting = false;
    this.polling = false;
    this.paused = false;
    this.aborting = new AbortController();
    this.begun = performance.now();
    if (mode === "websocket") {
      this.socket = this.newSocket();
    } else {
      this.poll();
    }
  }

  address(transport) {
    const url = new URL(PATH, location.href);
    url.search = new URLSearchParams({ EIO: 4, transport, ...(this.sid && { sid: this.sid }) });
    return url;
  }

  /** Send a message: a string, or an ArrayBuffer. */
  send(message) {
    this.write(typeof message === "string" ? MESSAGE + message : message);
  }

  /** End the session as a client should. */
  close() {
    if (this.state === "closed") return;
    if (this.transport === "polling" && this.sid) {
      this.write(CLOSE);
      this.end("closed by this page", true);
    } else {
      this.end("closed by this page");
    }
  }

  /** Break the connection without a goodbye. */
  drop() {
    this.end("dropped by this page");
  }

  end(reason, lastWord = false) {
    if (this.state === "closed") return;
    this.state = "closed";
    clearTimeout(this.deadline);
    if (!lastWord) this.aborting.abort();
    else setTimeout(() => this.aborting.abort(), 1000);
    this.socket?.close();
    this.probe?.close();
    this.tell("closed", { reason });
  }

  // Packets are strings; a binary message is an ArrayBuffer.

  write(packet) {
    if (this.transport === "websocket") {
      if (this.state === "closed" || this.socket.readyState !== WebSocket.OPEN) return;
      this.show("out", packet, "websocket");
      this.socket.send(packet);
    } else {
      this.queue.push(packet);
      this.post();
    }
  }

  received(packet, transport) {
    this.show("in", packet, transport);
    if (typeof packet !== "string") {
      this.tell("message", { message: packet });
      return;
    }
    const type = packet[0];
    if (type === OPEN) this.opened(JSON.parse(packet.slice(1)));
    else if (type === MESSAGE) this.tell("message", { message: packet.slice(1) });
    else if (type === PING) {
      this.await();
      this.write(PONG + packet.slice(1));
    } else if (type === CLOSE) this.end("closed by the server");
  }

  show(direction, packet, transport) {
    this.tell("packet", { direction, packet, transport });
  }

  opened(handshake) {
    this.state = "open";
    this.sid = handshake.sid;
    this.handshake = handshake;
    this.await();
    this.tell("open", { handshake, took: performance.now() - this.begun });
    if (this.mode === "upgrade" && handshake.upgrades.includes("websocket")) this.startUpgrade();
  }

  await() {
    clearTimeout(this.deadline);
    const { pingInterval, pingTimeout } = this.handshake;
    this.deadline = setTimeout(() => this.end("no heartbeat of the server"), pingInterval + pingTimeout);
  }

  // Polling: one GET and one POST at a time.

  async poll() {
    while (this.state !== "closed" && this.transport === "polling" && !this.paused) {
      this.polling = true;
      const text = await this.request("GET");
      this.polling = false;
      if (text === null) return;
      for (const packet of text.split(SEPARATOR)) {
        if (this.state === "closed") return;
        this.received(packet[0] === "b" ? fromBase64(packet.slice(1)) : packet, "polling");
      }
    }
    this.finishUpgrade();
  }

  async post() {
    if (this.posting || this.paused || !this.queue.length || !this.sid) return;
    this.posting = true;
    const packets = this.queue;
    this.queue = [];
    for (const packet of packets) this.show("out", packet, "polling");
    const lines = packets.map((packet) => (typeof packet === "string" ? packet : "b" + toBase64(packet)));
    const answer = await this.request("POST", lines.join(SEPARATOR));
    this.posting = false;
    if (answer === null) return;
    this.post();
    this.finishUpgrade();
  }

  async request(method, body) {
    try {
      const headers = body === undefined ? {} : { "Content-Type": "text/plain;charset=UTF-8" };
      const signal = this.aborting.signal;
      const response = await fetch(this.address("polling"), { method, body, headers, signal, cache: "no-store" });
      const text = await response.text();
      if (response.ok) return text;
      this.end(`the server refused a ${method}: ${response.status} ${refusal(text)}`);
    } catch {
      this.end("the server cannot be reached");
    }
    return null;
  }

  // WebSocket: from the start, or after a probe beside polling.

  newSocket() {
    const url = this.address("websocket");
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => this.state !== "closed" && this.received(data, "websocket");
    socket.onclose = (event) => this.end(this.sid ? ending(event) : "no WebSocket could be opened");
    return socket;
  }

  startUpgrade() {
    const probe = (this.probe = this.newSocket());
    probe.onclose = () => {
      this.probe = null;
      if (this.state === "closed") return;
      this.tell("upgradeFailed");
      this.paused = false;
      if (!this.polling) this.poll();
      this.post();
    };
    probe.onopen = () => {
      this.tell("probing");
      this.show("out", PING + "probe", "websocket");
      probe.send(PING + "probe");
    };
    probe.onmessage = ({ data }) => {
      this.show("in", data, "websocket");
      if (data !== PONG + "probe") return probe.close();
      // Nothing may be under way by polling when the session moves.
      this.paused = true;
      this.finishUpgrade();
    };
  }

  finishUpgrade() {
    if (!this.paused || this.polling || this.posting || !this.probe || this.state === "closed") return;
    const socket = (this.socket = this.probe);
    this.probe = null;
    this.paused = false;
    this.transport = "websocket";
    socket.onmessage = ({ data }) => this.state !== "closed" && this.received(data, "websocket");
    socket.onclose = (event) => this.end(ending(event));
    this.write(UPGRADE);
    this.tell("upgraded", { took: performance.now() - this.begun });
    for (const packet of this.queue.splice(0)) this.write(packet);
  }
}

const ending = ({ wasClean }) => (wasClean ? "closed by the server" : "the connection was lost");

function refusal(text) {
  try {
    return JSON.parse(text).message;
  } catch {
    return "";
  }
}

// --- numbers for people ------------------------------------------------------------------

const clock = (date) => date.toLocaleTimeString([], { hour12: false }) + "." + String(date.getMilliseconds()).padStart(3, "0");

function bytes(count) {
  if (count < 1000) return `${count} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let unit = -1;
  do {
    count /= 1000;
    unit += 1;
  } while (count >= 999.5 && unit < units.length - 1);
  return `${count.toFixed(count < 10 ? 1 : 0)} ${units[unit]}`;
}

function duration(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

const milliseconds = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
const many = (count, one) => `${count.toLocaleString()} ${one}${count === 1 ? "" : "s"}`;

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

// --- this connection: what it shows ----------------------------------------------------------

const KEPT = 500;
const MARK = "inspector round trip ";
const totals = { in: 0, out: 0, bytesIn: 0, bytesOut: 0, measurements: 0 };
const pending = new Map();
let client = null;
let marks = 0;

function keepUp(add) {
  const log = byId("log");
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  log.append(add);
  while (log.children.length > KEPT) log.firstChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function logEvent(text) {
  keepUp(element("li", "event", `${clock(new Date())}  ${text}`));
}

function logPacket({ direction, packet, transport }) {
  const binary = typeof packet !== "string";
  const size = sizeOf(packet);
  const body = binary ? hex(packet) : packet.slice(1);
  const row = element("li", !binary && body.startsWith(MARK) ? "measurement" : "");
  row.dataset.on = transport;
  row.append(element("span", "time", clock(new Date())));
  const type = element("span", "type", binary ? "binary" : (TYPES[packet[0]] ?? "unknown"));
  type.dataset.arrow = direction === "in" ? "↓" : "↑";
  type.prepend(element("span", "hidden", `${direction} `));
  row.append(type, element("span", "on", transport), element("span", "size", bytes(size)));
  const content = element("span", "content", packet[0] === OPEN ? hideSid(body) : body.slice(0, 300));
  content.title = content.textContent;
  row.append(content);
  keepUp(row);
  totals[direction] += 1;
  totals[direction === "in" ? "bytesIn" : "bytesOut"] += size;
  if (row.className) totals.measurements += 1;
  showTotals();
}

function showTotals() {
  byId("totals").textContent = `${totals.in} in, ${bytes(totals.bytesIn)} · ${totals.out} out, ${bytes(totals.bytesOut)}`;
}

const hideSid = (text) => text.replace(/("sid":"[^"]{6})[^"]*/, "$1…");

function hex(buffer) {
  const shown = new Uint8Array(buffer, 0, Math.min(buffer.byteLength, 24));
  return Array.from(shown, (each) => each.toString(16).padStart(2, "0")).join(" ") + (buffer.byteLength > 24 ? " …" : "");
}

function showState(state, text) {
  const status = byId("status");
  status.dataset.state = state;
  status.textContent = text;
  const open = state === "polling" || state === "websocket";
  const alive = open || state === "opening";
  byId("close").disabled = byId("drop").disabled = !alive;
  byId("connect").textContent = client ? "Reconnect" : "Connect";
  for (const id of ["text", "send", "file"]) byId(id).disabled = !open;
}

function showTrack(here, at, ...visited) {
  byId("track").dataset.at = at;
  for (const stop of byId("track").children) {
    stop.classList.toggle("here", stop.dataset.stop === here);
    stop.classList.toggle("visited", visited.includes(stop.dataset.stop));
    if (stop.dataset.stop === here) stop.setAttribute("aria-current", "step");
    else stop.removeAttribute("aria-current");
  }
}

function showFacts(handshake, took) {
  const facts = {
    Session: `${handshake.sid.slice(0, 6)}…`,
    "Handshake took": milliseconds(took),
    "Protocol revision": "4",
    "May upgrade to": handshake.upgrades.join(", ") || "nothing",
    "Heartbeat every": `${handshake.pingInterval / 1000} s`,
    "Answer within": `${handshake.pingTimeout / 1000} s`,
    "Largest message": bytes(handshake.maxPayload),
    Path: PATH,
  };
  byId("facts").replaceChildren(
    ...Object.entries(facts).flatMap(([name, value]) => [element("dt", "", name), element("dd", "", value)]),
  );
}

const happenings = {
  packet: logPacket,

  open({ handshake, took }) {
    showFacts(handshake, took);
    showTrack(client.transport, "none");
    const next = client.mode === "upgrade" && handshake.upgrades.length ? "; asking for a WebSocket" : "";
    byId("route-note").textContent = `On ${client.transport} ${milliseconds(took)} after the start${next}.`;
    showState(client.transport, `Open on ${client.transport}`);
    logEvent(`session ${handshake.sid.slice(0, 6)}… is open on ${client.transport}`);
  },

  probing() {
    showTrack("polling", "probing");
    byId("route-note").textContent = "Probing: does a WebSocket get through?";
  },

  upgraded({ took }) {
    showTrack("websocket", "upgraded", "polling");
    const text = `Moved to WebSocket ${milliseconds(took)} after the start, at ${clock(new Date())}.`;
    byId("route-note").textContent = text;
    showState("websocket", "Open on websocket");
    logEvent("upgraded: the session goes on by WebSocket");
    chart.moments.push(performance.now());
  },

  upgradeFailed() {
    showTrack("polling", "none");
    byId("route-note").textContent = "No WebSocket got through; the session stays on polling.";
    logEvent("the upgrade failed; polling goes on");
  },

  message({ message }) {
    if (typeof message !== "string" || !pending.has(message)) return;
    chart.add(performance.now() - pending.get(message), client.transport);
    pending.delete(message);
  },

  closed({ reason }) {
    pending.clear();
    showTrack(null, "none");
    byId("route-note").textContent = `Over: ${reason}.`;
    showState(reason.endsWith("this page") ? "closed" : "lost", `Over: ${reason}`);
    logEvent(`over: ${reason}`);
  },
};

function connect() {
  client?.end("closed by this page");
  const mode = new FormData(byId("controls")).get("mode");
  byId("problem").textContent = "";
  let mine = null;
  // What an earlier session still has to say is of no interest any more.
  mine = client = new Client(mode, (name, details) => (mine === null || mine === client) && happenings[name](details));
  showTrack(null, "none");
  byId("route-note").textContent = "Connecting …";
  showState("opening", "Connecting …");
}

function send(message) {
  const limit = client.handshake.maxPayload;
  // By polling, binary is written with characters: a third more.
  const size = typeof message === "string" ? sizeOf(message) + 1 : client.transport === "polling" ? Math.ceil(message.byteLength / 3) * 4 + 1 : message.byteLength;
  if (size > limit) {
    byId("problem").textContent = `That would be ${size.toLocaleString()} bytes; the server takes ${limit.toLocaleString()} (--max-http-buffer-size).`;
    return false;
  }
  byId("problem").textContent = "";
  if (typeof message === "string") pending.set(message, performance.now());
  client.send(message);
  return true;
}

function measure() {
  const open = client?.state === "open";
  if (!open || !byId("measure").checked || document.hidden) return;
  // One at a time: the others would only wait behind it.
  if ([...pending.keys()].some((each) => each.startsWith(MARK))) return;
  marks += 1;
  send(MARK + marks);
}

// --- the chart: one minute ------------------------------------------------------------------

const SVG = "http://www.w3.org/2000/svg";
const SPAN = 60_000;

const chart = {
  points: [],
  moments: [],

  add(value, transport) {
    this.points.push({ at: performance.now(), value, transport });
    const recent = this.recent().map((point) => point.value).sort((one, other) => one - other);
    byId("trip-now").textContent = milliseconds(value);
    const middle = recent[recent.length >> 1];
    byId("trip-summary").textContent = `median ${milliseconds(middle)}, most ${milliseconds(recent.at(-1))}`;
    this.draw();
  },

  recent() {
    const since = performance.now() - SPAN;
    this.points = this.points.filter((point) => point.at > since);
    this.moments = this.moments.filter((at) => at > since);
    return this.points;
  },

  draw() {
    const svg = byId("chart");
    const { width, height } = svg.getBoundingClientRect();
    if (!width) return;
    const points = this.recent();
    const now = performance.now();
    const top = roundUp(Math.max(2, ...points.map((point) => point.value)));
    const [left, right, bottom] = [44, width - 6, height - 18];
    const x = (at) => right - ((now - at) / SPAN) * (right - left);
    const y = (value) => bottom - (value / top) * (bottom - 8);
    const parts = [];
    for (const share of [0, 0.5, 1]) {
      parts.push(shape("line", { x1: left, x2: right, y1: y(top * share), y2: y(top * share) }));
      parts.push(label(`${+(top * share).toPrecision(2)} ms`, { x: left - 6, y: y(top * share) + 4, "text-anchor": "end" }));
    }
    parts.push(label("a minute ago", { x: left, y: height - 3 }), label("now", { x: right, y: height - 3, "text-anchor": "end" }));
    for (const at of this.moments) {
      parts.push(shape("line", { class: "moment", x1: x(at), x2: x(at), y1: 0, y2: bottom }));
      // Not on top of each other: the latest has the word.
      if (this.moments.some((other) => other > at && x(other) - x(at) < 60)) continue;
      const late = x(at) > width - 60;
      parts.push(label("upgrade", { class: "moment", x: x(at) + (late ? -5 : 5), y: 9, "text-anchor": late ? "end" : "start" }));
    }
    for (const run of runs(points)) {
      const line = run.map((point) => `${x(point.at).toFixed(1)} ${y(point.value).toFixed(1)}`).join("L");
      parts.push(shape("path", { class: run[0].transport, d: `M${line}` }));
      for (const point of run) parts.push(shape("circle", { class: point.transport, cx: x(point.at), cy: y(point.value), r: 2 }));
    }
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.replaceChildren(...parts);
  },
};

/** Split points where the transport changes, or where a measurement is missing. */
function runs(points) {
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

// --- all sessions ---------------------------------------------------------------------------

const OWN = { headers: { "X-Inspector": "1" }, cache: "no-store" };
const rows = new Map();

async function refresh() {
  try {
    const response = await fetch("inspector/sessions", OWN);
    if (!response.ok) throw new Error(response.status === 403 ? "open this page by the server's address, or as localhost" : `status ${response.status}`);
    showSessions(await response.json());
  } catch (error) {
    byId("sessions-note").textContent = `Cannot be read: ${error.message}.`;
  }
}

function showSessions({ total, transports, sessions, handshakes, upgrades }) {
  byId("session-count").textContent = total;
  const kinds = Object.entries(transports).map(([name, count]) => `${count} on ${name}`);
  const cut = total > sessions.length ? `; the first ${sessions.length} are shown` : "";
  const note = `${many(total, "session")} now${kinds.length ? `: ${kinds.join(", ")}` : ""}${cut}. ${many(handshakes, "handshake")} and ${many(upgrades, "upgrade")} so far.`;
  if (byId("sessions-note").textContent !== note) byId("sessions-note").textContent = note;
  byId("nobody").hidden = total > 0;
  const gone = new Set(rows.keys());
  for (const session of sessions) {
    gone.delete(session.handle);
    if (!rows.has(session.handle)) addRow(session);
    fillRow(rows.get(session.handle), session);
  }
  for (const handle of gone) {
    rows.get(handle).remove();
    rows.delete(handle);
  }
}

function addRow({ handle, id }) {
  const row = element("tr");
  for (const name of ["", "Transport", "Address", "Age", "In", "Out", "Buffered", "Round trip"]) {
    const cell = element("td", ["", "Transport", "Address"].includes(name) ? "" : "number");
    if (name) cell.dataset.label = name;
    row.append(cell);
  }
  row.firstChild.append(`${id}…`);
  if (client?.sid?.startsWith(id)) row.firstChild.append(element("span", "own", "this page"));
  const button = element("button", "small quiet", "Close");
  button.setAttribute("aria-label", `Close session ${id}`);
  button.addEventListener("click", () => closeSession(handle, button));
  row.append(element("td"));
  row.lastChild.append(button);
  byId("rows").append(row);
  rows.set(handle, row);
}

function fillRow(row, session) {
  const cells = row.children;
  const amount = (count, size) => [many(count, "message"), bytes(size)];
  fill(cells[1], session.transport, session.state === "open" ? "" : session.state);
  cells[1].className = `transport-${session.transport}`;
  fill(cells[2], session.address ?? "a Unix socket");
  fill(cells[3], duration(session.age));
  fill(cells[4], ...amount(session.messagesIn, session.bytesIn));
  fill(cells[5], ...amount(session.messagesOut, session.bytesOut));
  fill(cells[6], bytes(session.buffered));
  fill(cells[7], session.roundTrip === null ? "–" : milliseconds(session.roundTrip * 1000));
}

function fill(cell, text, more = "") {
  if (cell.textContent === text + more) return;
  cell.replaceChildren(text);
  if (more) cell.append(element("small", "", more));
}

async function closeSession(handle, button) {
  button.disabled = true;
  const response = await fetch(`inspector/sessions/${handle}`, { ...OWN, method: "DELETE" }).catch(() => null);
  if (response?.status !== 204) button.disabled = false;
  refresh();
}

// --- the page -------------------------------------------------------------------------------

const tabs = [byId("tab-connection"), byId("tab-sessions")];

function choose(tab) {
  for (const each of tabs) {
    const chosen = each === tab;
    each.setAttribute("aria-selected", chosen);
    each.tabIndex = chosen ? 0 : -1;
    byId(each.getAttribute("aria-controls")).hidden = !chosen;
  }
  history.replaceState(null, "", tab === tabs[1] ? "#sessions" : location.pathname);
  if (tab === tabs[1]) refresh();
  else chart.draw();
}

for (const [number, tab] of tabs.entries()) {
  tab.addEventListener("click", () => choose(tab));
  tab.addEventListener("keydown", ({ key }) => {
    const steps = { ArrowLeft: -1, ArrowRight: 1 };
    if (!(key in steps)) return;
    const next = tabs[(number + steps[key] + tabs.length) % tabs.length];
    choose(next);
    next.focus();
  });
}

byId("controls").addEventListener("submit", (event) => {
  event.preventDefault();
  connect();
});
byId("close").addEventListener("click", () => client.close());
byId("drop").addEventListener("click", () => client.drop());
byId("clear").addEventListener("click", () => {
  byId("log").replaceChildren();
  for (const name of Object.keys(totals)) totals[name] = 0;
  showTotals();
});
byId("show-measurements").addEventListener("change", ({ target }) => {
  byId("log").dataset.hide = target.checked ? "" : "measurements";
  byId("log").scrollTop = byId("log").scrollHeight;
});
byId("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  if (send(byId("text").value)) byId("text").value = "";
});
byId("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  byId("composer").requestSubmit();
});
byId("file").addEventListener("change", async ({ target }) => {
  const [file] = target.files;
  target.value = "";
  if (file) send(await file.arrayBuffer());
});
addEventListener("pagehide", () => client?.close());
addEventListener("resize", () => chart.draw());

byId("measure").checked = ECHOES === "yes";
setInterval(() => {
  measure();
  chart.draw();
  if (!byId("sessions").hidden && !document.hidden) refresh();
}, 1000);

showTotals();
chart.draw();
connect();
refresh();
if (location.hash === "#sessions") choose(tabs[1]);
