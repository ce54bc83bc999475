// Socket.IO's protocol, revision 5, by hand: the main namespace, and no binary data. As
// much of the official client's interface as the page needs, so that either will do.

import { Client } from "./client.js";

const [CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR] = "01234";
const PAUSE = 1000;

export class Socket {
  /** Connect, and again whenever the connection was lost; `auth` goes with each CONNECT. */
  constructor({ auth }) {
    this.auth = auth;
    this.handlers = {};
    this.connect();
  }

  /** Have a function called with what comes with an event. */
  on(event, handler) {
    this.handlers[event] = handler;
  }

  /** Send an event; a function behind its values gets what the server answers. */
  emit(event, ...values) {
    let number = "";
    if (typeof values.at(-1) === "function") {
      number = this.asked++;
      this.questions.set(number, values.pop());
    }
    this.client.send(EVENT + number + JSON.stringify([event, ...values]));
  }

  connect() {
    clearTimeout(this.pause);
    this.asked = 0;
    this.questions = new Map();
    this.client = new Client("upgrade", (what, details) => this.happened(what, details));
  }

  disconnect() {
    this.client.send(DISCONNECT);
    this.client.close();
  }

  /** What the page shows of the connection. */
  get transport() {
    return this.client.transport;
  }

  happened(what, { message, by } = {}) {
    if (what === "open") this.client.send(CONNECT + JSON.stringify(this.auth));
    else if (what === "upgraded") this.tell("upgrade");
    else if (what === "message" && typeof message === "string") this.received(message[0], message.slice(1));
    else if (what === "closed") this.ended(by);
  }

  received(type, rest) {
    const number = parseInt(rest, 10);
    if (type === EVENT) this.tell(...JSON.parse(rest));
    else if (type === ACK) this.answered(number, JSON.parse(rest.slice(String(number).length)));
    else if (type === CONNECT) {
      this.id = JSON.parse(rest).sid;
      this.tell("connect");
    } else if (type === CONNECT_ERROR) this.tell("connect_error", JSON.parse(rest));
    else if (type === DISCONNECT) this.client.close();
  }

  answered(number, values) {
    const question = this.questions.get(number);
    this.questions.delete(number);
    question?.(...values);
  }

  ended(by) {
    this.tell("disconnect", by === "fault" ? "transport close" : `io ${by === "page" ? "client" : by} disconnect`);
    if (by !== "page") this.pause = setTimeout(() => this.connect(), PAUSE);
  }

  tell(event, ...values) {
    this.handlers[event]?.(...values);
  }
}
