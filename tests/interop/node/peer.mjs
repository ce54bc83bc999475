// One engine.io-client session and all that happened to it, and the runner of
// scenarios over such sessions. Every program here prints one line of JSON:
// {scenario: facts, or {failed, log}}; the pytest side asserts on the facts.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";

// The first argument names another version; those before 6 are CommonJS modules.
const client = await import(process.argv[2] ?? "engine.io-client");
const Socket = client.Socket ?? client.default.Socket;

const SCENARIO_DEADLINE = 30_000;
const PROGRAM_DEADLINE = 110_000;

export const TRANSPORTS = {
  polling: ["polling"],
  keepalive: ["polling"],
  websocket: ["websocket"],
  upgrade: ["polling", "websocket"],
};

/** What JSON can carry of a message: text as it is, binary as {binary: hex}. */
export function plain(message) {
  if (message === undefined) return ""; // how the client shows an empty text
  if (typeof message === "string") return message;
  return { binary: bytes(message).toString("hex") };
}

export function unplain(message) {
  return typeof message === "string" ? message : Buffer.from(message.binary, "hex");
}

/** The same for large messages: kind, length and digest. */
export function digest(message) {
  const content = bytes(message);
  return {
    kind: typeof message === "string" ? "text" : "binary",
    length: content.length,
    sha256: createHash("sha256").update(content).digest("hex"),
  };
}

function bytes(message) {
  if (message instanceof ArrayBuffer) return Buffer.from(message);
  return Buffer.from(message, "utf8");
}

export class Peer {
  constructor(url, options, onOpen) {
    this.messages = [];
    this.log = [];
    this.pings = 0;
    this.changed = () => {};
    const socket = new Socket(url, options);
    this.socket = socket;
    const note = (event, facts = {}) => {
      this.log.push({ event, ...facts });
      this.changed();
    };
    socket.on("handshake", (handshake) => (this.handshake = handshake));
    socket.on("open", () => {
      this.id = socket.id;
      note("open", { transport: socket.transport.name });
      onOpen?.(this);
    });
    socket.on("message", (message) => {
      this.messages.push(message);
      this.changed();
    });
    socket.on("ping", () => {
      this.pings += 1;
      this.changed();
    });
    socket.on("upgrading", (to) => note("upgrading", { transport: to.name }));
    socket.on("upgrade", (to) => note("upgrade", { transport: to.name }));
    socket.on("upgradeError", (error) => note("upgradeError", { message: error.message }));
    socket.on("error", (error) => note("error", describe(error)));
    socket.on("close", (reason) => note("close", { reason }));
  }

  find(event) {
    return this.log.find((entry) => entry.event === event);
  }

  /** The transports that the session has been on, as the client saw it. */
  transports() {
    const entries = this.log.filter(({ event }) => ["open", "upgrade"].includes(event));
    return entries.map((entry) => entry.transport);
  }

  /** What should not happen in a session that goes well. */
  trouble() {
    return this.log.filter(({ event }) => ["error", "upgradeError"].includes(event));
  }

  /** Wait until the condition gives something true, and return that. */
  until(condition) {
    return new Promise((resolve, reject) => {
      this.changed = () => {
        const value = condition();
        if (value) {
          resolve(value);
        } else if (this.find("close") && !condition.afterClose) {
          reject(new Error(`closed while waiting: ${condition}`));
        }
      };
      this.changed();
    });
  }

  async event(name) {
    const condition = () => this.find(name);
    condition.afterClose = name === "close";
    return this.until(condition);
  }

  async ended() {
    return (await this.event("close")).reason;
  }

  async next() {
    await this.until(() => this.messages.length > 0);
    return this.messages.shift();
  }

  async take(count) {
    await this.until(() => this.messages.length >= count);
    return this.messages.splice(0, count);
  }

  async ask(question) {
    this.send(question);
    return this.next();
  }

  send(message) {
    this.socket.send(message);
  }

  close() {
    this.socket.close();
    return this.ended();
  }
}

/** The HTTP status is a number for polling, and in a message of the ws package else. */
function describe(error) {
  const detail = error.description?.message ?? error.description;
  return {
    message: error.message,
    status: Number(/\d{3}$/.exec(String(detail))?.[0] ?? NaN) || null,
    body: error.context?.responseText ?? null,
  };
}

/** Turn {ca, cert, key, pfx: file, passphrase} into the client's options. */
function readFiles(connection = {}) {
  const options = {};
  for (const [name, value] of Object.entries(connection)) {
    options[name] = name === "passphrase" ? value : readFileSync(value);
  }
  return options;
}

function withDeadline(promise, milliseconds, what) {
  let timer;
  const expiry = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: no result`)), milliseconds);
  });
  return Promise.race([promise, expiry]).finally(() => clearTimeout(timer));
}

/**
 * Run the scenarios that standard input, {url, mode, connection, names, ...more}, asks for, one
 * after the other. Each is given {connect, settle, mode, ...more}.
 */
export async function main(scenarios) {
  const { url, mode, connection, names, ...more } = JSON.parse(readFileSync(0, "utf8"));
  setTimeout(() => process.exit(3), PROGRAM_DEADLINE).unref();
  const base = { transports: TRANSPORTS[mode], ...readFiles(connection) };
  if (mode === "keepalive") {
    const { Agent } = url.startsWith("https:") ? https : http;
    base.agent = new Agent({ keepAlive: true });
  }
  const results = {};
  for (const name of names) {
    results[name] = await attempt(scenarios[name], name, { url, mode, base, more });
  }
  process.stdout.write(JSON.stringify(results) + "\n", () => process.exit(0));
}

async function attempt(scenario, name, { url, mode, base, more }) {
  const peers = [];
  const connect = (options = {}, onOpen = undefined) => {
    const peer = new Peer(url, { ...base, ...options }, onOpen);
    peers.push(peer);
    return peer;
  };
  /** Connect and, where the mode says so, wait for the upgrade. */
  const settle = async (options) => {
    const peer = connect(options);
    await peer.event("open");
    if (mode === "upgrade") await peer.event("upgrade");
    return peer;
  };
  try {
    const facts = scenario({ connect, settle, mode, ...more });
    return await withDeadline(facts, SCENARIO_DEADLINE, name);
  } catch (error) {
    return { failed: String(error), log: peers.map((peer) => peer.log) };
  } finally {
    for (const peer of peers) peer.socket.close();
  }
}
