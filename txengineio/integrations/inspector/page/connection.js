// This page's own connection: what it shows of it, and how it comes back.

import { drawChart, addRoundTrip, markUpgrade } from "./chart.js";
import { Client, sizeOf } from "./client.js";
import { byId, element, say } from "./dom.js";
import { MEASUREMENT, logEvent, logPacket } from "./packets.js";
import { bytes, clock, duration, milliseconds, number } from "./text.js";

const { engine: PATH } = document.documentElement.dataset;

// What the page does about a session that is over.
const REST = "rest"; // nothing: somebody wanted it so
const WAIT = "wait"; // the server closed it: maybe to stop, so come back when it has started again
const RETRY = "retry"; // it was lost: come back whenever the server answers
const LONGEST_PAUSE = 10_000;

let client = null;
let changed = () => {};
let comeback = REST;
let lostAt = 0;
let failures = 0;
let notBefore = 0;
let isNamed = false;

/** Return the beginning of the session's id, as the list of sessions shows it; "" without one. */
export const ownId = () => (client?.state === "open" ? shown(client.sid) : "");

// What of a session's id may be seen: it is a credential. Where several servers work together,
// the name of one comes first.
const shown = (sid) => sid.slice(0, 6 + (isNamed ? sid.indexOf("-") + 1 : 0));

/** Have a function called when a session of this page has begun, or is over. */
export function whenChanged(look) {
  changed = look;
}

// --- coming and going --------------------------------------------------------------------

/** Begin a session, in the way that is chosen; an earlier one is over. */
export function connect() {
  client?.end("closed by this page", "page");
  const mode = new FormData(byId("controls")).get("mode");
  byId("problem").textContent = "";
  let mine = null;
  // What an earlier session still has to say is of no interest any more.
  mine = client = new Client(mode, (name, details) => (mine === null || mine === client) && happenings[name](details));
  showTrack(null, "none");
  byId("route-note").textContent = "Connecting …";
  showState("opening", "Connecting …");
}

/** Act on a server that answers; `restarted`: it was away meanwhile, or is another one. */
export function serverAnswers({ restarted }) {
  if (comeback === WAIT && restarted) comeback = RETRY;
  if (comeback === RETRY && client.state === "closed" && performance.now() >= notBefore) connect();
}

function close() {
  if (client.state !== "closed") return client.close();
  // The page tries to come back: it need not.
  comeback = REST;
  showState("lost", "Over: not trying again");
}

const happenings = {
  packet: logPacket,

  open({ handshake, took }) {
    const away = comeback === REST ? null : duration((performance.now() - lostAt) / 1000);
    comeback = REST;
    failures = 0;
    showFacts(handshake, took);
    showTrack(client.transport, "none");
    const next = client.mode === "upgrade" && handshake.upgrades.length ? "; asking for a WebSocket" : "";
    byId("route-note").textContent = `On ${client.transport} ${milliseconds(took)} after the start${next}.`;
    client.isBack = away !== null;
    showOpen();
    if (away) logEvent(`connected again, ${away} after the last session ended`);
    logEvent(`session ${shown(handshake.sid)}… is open on ${client.transport}`);
    changed();
  },

  probing() {
    showTrack("polling", "probing");
    byId("route-note").textContent = "Probing: does a WebSocket get through?";
  },

  upgraded({ took }) {
    showTrack("websocket", "upgraded", "polling");
    byId("route-note").textContent = `Moved to WebSocket ${milliseconds(took)} after the start, at ${clock(new Date())}.`;
    showOpen();
    logEvent("upgraded: the session goes on by WebSocket");
    markUpgrade();
  },

  upgradeFailed() {
    showTrack("polling", "none");
    byId("route-note").textContent = "No WebSocket got through; the session stays on polling.";
    logEvent("the upgrade failed; polling goes on");
  },

  message({ message }) {
    if (!pending.has(message)) return;
    addRoundTrip(performance.now() - pending.get(message), client.transport);
    pending.delete(message);
  },

  closed({ reason, by }) {
    pending.clear();
    planComeback(by);
    showTrack(null, "none");
    const plan = comeback === RETRY ? "; trying again" : "";
    byId("route-note").textContent = `Over: ${reason}${plan}.`;
    showState(by === "page" ? "closed" : "lost", plan ? "Lost; trying again" : `Over: ${reason}`);
    // Once for each time that a session is lost, not for each attempt to get it back.
    if (failures < 2) logEvent(`over: ${reason}${plan}`);
    changed();
  },
};

function planComeback(by) {
  const now = performance.now();
  // The attempts of one absence count together.
  if (comeback === REST) lostAt = now;
  const earlier = comeback;
  comeback = { page: REST, server: WAIT, fault: RETRY }[by];
  if (comeback !== RETRY) return;
  failures = earlier === RETRY ? failures + 1 : 1;
  notBefore = failures === 1 ? now : now + Math.min(1000 * 2 ** (failures - 2), LONGEST_PAUSE);
}

// --- what it shows -------------------------------------------------------------------------

function showOpen() {
  showState(client.transport, `Open on ${client.transport}${client.isBack ? " again" : ""}`);
}

function showState(state, text) {
  byId("status").dataset.state = state;
  say("status", text);
  const open = state === "polling" || state === "websocket";
  const alive = open || state === "opening";
  byId("drop").disabled = !alive;
  byId("close").disabled = !alive && comeback === REST;
  byId("close").textContent = alive || comeback === REST ? "Close" : "Give up";
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
    Session: `${shown(handshake.sid)}…`,
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

// --- sending, and measuring ------------------------------------------------------------------

// When messages were sent that may come back.
const pending = new Map();
const MOST_PENDING = 100;
let marks = 0;
let echoes = null;

function send(message) {
  if (!fits(typeof message === "string" ? sizeOf(message) + 1 : sizeOfBytes(message.byteLength))) return false;
  byId("problem").textContent = "";
  if (typeof message === "string") expectBack(message);
  client.send(message);
  return true;
}

/** Say whether the server takes so many bytes; if not, the page tells why. */
function fits(size) {
  const limit = client.handshake.maxPayload;
  if (size <= limit) return true;
  byId("problem").textContent = `That would be ${number(size)} bytes; the server takes ${number(limit)} (--max-http-buffer-size).`;
  return false;
}

function sizeOfBytes(length) {
  // By polling, binary is written with characters: a third more.
  return client.transport === "polling" ? Math.ceil(length / 3) * 4 + 1 : length;
}

function expectBack(message) {
  pending.set(message, performance.now());
  // An application need not send anything back.
  if (pending.size > MOST_PENDING) pending.delete(pending.keys().next().value);
}

/**
 * Take note of whether the application sends messages back. Only then does the page send
 * some unasked: to any other application they would be a riddle. The server may have been
 * started again with another one, so this is said each time that it is asked.
 */
export function learn(answer) {
  isNamed = answer.isNamed;
  if (answer.echoes === echoes) return;
  echoes = answer.echoes;
  byId("measure").checked = echoes;
  byId("measure-label").textContent = echoes ? "Measure every second" : "Send a message every second to measure";
  byId("measure-hint").hidden = echoes;
}

/** Send a message to measure how long it takes to come back, if that is wanted. */
export function measure() {
  if (client?.state !== "open" || !byId("measure").checked || document.hidden) return;
  // One at a time: the others would only wait for it.
  if ([...pending.keys()].some((each) => each.startsWith(MEASUREMENT))) return;
  marks += 1;
  send(MEASUREMENT + marks);
}

byId("controls").addEventListener("submit", (event) => {
  event.preventDefault();
  comeback = REST;
  connect();
});
byId("close").addEventListener("click", close);
byId("drop").addEventListener("click", () => client.drop());
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
  // One that is too large is not even read.
  if (file && fits(sizeOfBytes(file.size))) send(await file.arrayBuffer());
});
byId("measure").addEventListener("change", drawChart);
addEventListener("pagehide", () => client?.close());
