// One Engine.IO session of protocol revision 4, by hand, without anything else.

const { engine: PATH } = document.documentElement.dataset;
const SEPARATOR = "\x1e";
const encoder = new TextEncoder();

export const [OPEN, CLOSE, PING, PONG, MESSAGE, UPGRADE] = "012345";

/** Return the bytes of a packet: a string, or an ArrayBuffer. */
export const sizeOf = (packet) => (typeof packet === "string" ? encoder.encode(packet).length : packet.byteLength);

function toBase64(buffer) {
  let characters = "";
  const bytes = new Uint8Array(buffer);
  for (let start = 0; start < bytes.length; start += 32768) {
    characters += String.fromCharCode(...bytes.subarray(start, start + 32768));
  }
  return btoa(characters);
}

const fromBase64 = (text) => Uint8Array.from(atob(text), (each) => each.charCodeAt(0)).buffer;

export class Client {
  /**
   * One session, from its first request to its end.
   * @param mode "upgrade", "polling" or "websocket"
   * @param tell called with the name of what happens, and its details; "closed" says by
   *   whom: "page", "server", or "fault" when nobody wanted it
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
      this.end("closed by this page", "page", true);
    } else {
      this.end("closed by this page", "page");
    }
  }

  /** Break the connection without a goodbye. */
  drop() {
    this.end("dropped by this page", "page");
  }

  end(reason, by = "fault", lastWord = false) {
    if (this.state === "closed") return;
    this.state = "closed";
    clearTimeout(this.deadline);
    if (!lastWord) this.aborting.abort();
    else setTimeout(() => this.aborting.abort(), 1000);
    this.socket?.close();
    this.probe?.close();
    this.tell("closed", { reason, by });
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
    } else if (type === CLOSE) this.end("closed by the server", "server");
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
    socket.onclose = (event) => this.end(...(this.sid ? ending(event) : ["no WebSocket could be opened"]));
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
    socket.onclose = (event) => this.end(...ending(event));
    this.write(UPGRADE);
    this.tell("upgraded", { took: performance.now() - this.begun });
    for (const packet of this.queue.splice(0)) this.write(packet);
  }
}

const ending = ({ wasClean }) => (wasClean ? ["closed by the server", "server"] : ["the connection was lost"]);

function refusal(text) {
  try {
    return JSON.parse(text).message;
  } catch {
    return "";
  }
}
