// A session over a WebSocket that offers permessage-deflate: {url, offer, messages} as
// JSON on standard input; prints what came back, and how many bytes that took.

import { readFileSync } from "node:fs";
import { WebSocket } from "ws";

const { url, offer, messages } = JSON.parse(readFileSync(0, "utf8"));
const target = `${url.replace("http", "ws")}/engine.io/?EIO=4&transport=websocket`;
const websocket = new WebSocket(target, { perMessageDeflate: offer });
const session = { extension: null, received: [], bytes: 0 };
let socket;
let before;
websocket.on("upgrade", (response) => {
  session.extension = response.headers["sec-websocket-extensions"] ?? null;
  socket = response.socket;
});
websocket.on("message", (data, isBinary) => {
  const text = data.toString();
  if (!isBinary && text.startsWith("0")) {
    before = socket.bytesRead;
    for (const message of messages) websocket.send(`4${message}`);
    return;
  }
  session.received.push(text.slice(1));
  if (session.received.length < messages.length) return;
  session.bytes = socket.bytesRead - before;
  websocket.close();
});
websocket.on("close", () => {
  process.stdout.write(JSON.stringify({ session }) + "\n", () => process.exit(0));
});
