// What the page asks the server about its sessions, and whether there is an answer.

import { byId, say } from "./dom.js";
import { clock, duration } from "./text.js";

// Pages of other sites cannot send this header without asking first.
const OWN = { "X-Inspector": "1" };
const DEADLINE = 10_000;
const NEWS_LAST = 15_000;

let run = null;
let goneAt = null;
let backAt = null;

/** The server refuses to tell; it is there. */
class Refused extends Error {}

/** Ask for one thing; fails if there is no answer that makes sense. */
export async function ask(path) {
  const response = await request(path, "GET");
  if (response.status === 403) throw new Refused("open this page by the server's address, as localhost, or by a name that InspectorResource was given in hosts");
  if (!response.ok) throw new Error(`status ${response.status}`);
  return response.json();
}

/** Close a session; says whether it is closed. */
export async function closeSession(handle) {
  const response = await request(`sessions/${handle}`, "DELETE").catch(() => null);
  return response?.status === 204;
}

function request(path, method) {
  const options = { method, headers: OWN, cache: "no-store", signal: AbortSignal.timeout(DEADLINE) };
  return fetch(`inspector/${path}`, options);
}

/** Take note of an answer; says whether the server was away, or is another one than before. */
export function answered(answer) {
  const restarted = goneAt !== null || (run !== null && answer.run !== run);
  run = answer.run;
  if (goneAt !== null) {
    backAt = performance.now();
    const away = duration((backAt - goneAt.moment) / 1000);
    show("back", `The server is back since ${clock(new Date())}. It was away for ${away}.`);
    goneAt = null;
  } else if (backAt === null || performance.now() - backAt > NEWS_LAST) {
    show("fine", "");
  }
  return restarted;
}

/** Take note of a question without an answer; says whether the server is gone. */
export function failed(error) {
  if (error instanceof Refused) {
    show("refused", `The sessions cannot be read: ${error.message}.`);
    return false;
  }
  goneAt ??= { moment: performance.now(), date: new Date() };
  show("gone", `No answer from the server since ${clock(goneAt.date)}. The sessions shown are from before; the page asks again every second.`);
  return true;
}

function show(state, text) {
  byId("news").dataset.state = state;
  byId("news").hidden = text === "";
  say("news", text);
}
