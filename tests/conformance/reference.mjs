// The reference server with an application that echoes and keeps a log. It takes the
// same argument, and answers the same questions on its control port, as echo_server.py.

import http from "node:http";
import net from "node:net";
import { createRequire } from "node:module";

const require = createRequire(new URL("../interop/package.json", import.meta.url));
const { Server } = require("engine.io");

const TYPES = ["open", "close", "ping", "pong", "message", "upgrade", "noop"];
const options = JSON.parse(process.argv[2]);
const logs = new Map();

function plain(data) {
  if (typeof data === "string") return data;
  return data === undefined || data === null ? "" : { binary: Buffer.from(data).toString("hex") };
}

// What is undefined would take the place of a default.
const limits = {};
if ("http_request_body_timeout" in options)
  limits.httpRequestBodyTimeout = options.http_request_body_timeout * 1000;
if ("max_buffered_chunks" in options) limits.maxBufferedChunks = options.max_buffered_chunks;

const engine = new Server({
  ...limits,
  allowEIO3: options.allow_eio3,
  maxHttpBufferSize: options.max_http_buffer_size,
  cors: options.cors,
  cookie: options.cookie,
  initialPacket: options.initial_packet,
});
engine.on("connection", (socket) => {
  const log = { packets: [], reason: null };
  logs.set(socket.id, log);
  socket.on("packet", ({ type, data }) => {
    if (TYPES.includes(type)) log.packets.push([TYPES.indexOf(type), plain(data)]);
  });
  socket.on("message", (message) => socket.send(message ?? ""));
  socket.on("close", (reason) => (log.reason = reason));
});

const answers = {
  sync: () => ({}),
  log: (...sids) => sids.map((sid) => logs.get(sid) ?? null),
};
const control = net.createServer((connection) => {
  let pending = "";
  connection.setNoDelay(true);
  connection.on("error", () => {});
  connection.on("data", (data) => {
    const lines = (pending + data).split("\n");
    pending = lines.pop();
    for (const line of lines) {
      const [question, ...rest] = line.split(" ");
      connection.write(JSON.stringify(answers[question](...rest)) + "\n");
    }
  });
});

const server = http.createServer();
engine.attach(server);
server.listen(0, "127.0.0.1", () =>
  control.listen(0, "127.0.0.1", () =>
    console.log(JSON.stringify({ port: server.address().port, control: control.address().port })),
  ),
);
process.stdin.on("end", () => process.exit(0)).resume();
