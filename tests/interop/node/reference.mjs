// The same server as tests/interop/serve.py, made with the reference
// implementation: what the client programs expect can be checked against it
// (TXENGINEIO_INTEROP_SERVER=reference). Takes the same JSON options.

import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import path from "node:path";
import { Server } from "engine.io";

const MILLISECONDS = ["ping_interval", "ping_timeout", "upgrade_timeout"];
const options = JSON.parse(process.argv[2]);
const endings = new Map();
const waiting = new Map();

function camelCase(name) {
  return name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
}

function engineOptions() {
  const entries = Object.entries(options.engine ?? {}).map(([name, value]) => [
    camelCase(name),
    MILLISECONDS.includes(name) ? value * 1000 : value,
  ]);
  return { ...Object.fromEntries(entries), allowEIO3: false };
}

function serveFiles(request, response) {
  const [, first, ...rest] = request.url.split("?")[0].split("/");
  const folders = options.static ?? {};
  const folder = first in folders ? folders[first] : folders[""];
  const file = first in folders ? rest.join("/") : first;
  try {
    const type = file.endsWith(".js") ? "text/javascript" : "text/html";
    const content = readFileSync(path.join(folder, file || "index.html"));
    response.writeHead(200, { "Content-Type": type }).end(content);
  } catch {
    response.writeHead(folder === undefined ? 501 : 404).end();
  }
}

function makeServer() {
  if (!options.tls) return http.createServer(serveFiles);
  const { key, certificate, client_ca, client_required } = options.tls;
  return https.createServer(
    {
      key: readFileSync(key),
      cert: readFileSync(certificate),
      ca: client_ca && readFileSync(client_ca),
      requestCert: Boolean(client_ca),
      rejectUnauthorized: client_required,
    },
    serveFiles,
  );
}

const commands = {
  "!close": (socket) => socket.close(),
  "!transport": (socket) => socket.send(socket.transport.name),
  "!request": (socket) => socket.send(socket.request._query.transport),
  "!upgrades": (socket) => socket.send(socket.seen.join(" ") || "none"),
  "!count": (socket, count) => {
    for (let i = 0; i < count; i++) socket.send(`n${i}`);
  },
  "!big": (socket, size) => socket.send("0123456789".repeat(size / 10)),
  "!binary": (socket, size) => socket.send(Buffer.alloc(+size, Buffer.from([...Array(256).keys()]))),
  "!views": (socket) => {
    const numbers = new Int32Array(5).map((_, i) => (i + 100) * 9823);
    for (const view of [new Int8Array([0, 1, 2, 3, 4]), numbers, numbers.buffer, Buffer.from([0, 1, 2, 3, 4])]) {
      socket.send(view);
    }
  },
  "!heartbeats": (socket, wanted) => {
    const answer = () => {
      if (socket.heartbeats < wanted) return;
      socket.off("heartbeat", answer);
      socket.send(String(socket.heartbeats));
    };
    socket.on("heartbeat", answer);
    answer();
  },
  "!stream": (socket, count, condition) => {
    let sent = 0;
    const sendNext = () => socket.send(`s${sent++}`);
    while (sent < count / 2) sendNext();
    const timer = setInterval(() => {
      const ceiling = condition === "upgrade" && !socket.upgraded ? count * 0.9 : count;
      for (let i = 0; i < 10 && sent < ceiling; i++) sendNext();
      if (sent >= count || socket.readyState === "closed") clearInterval(timer);
    }, 5);
  },
  "!reason": (socket, id) => {
    if (endings.has(id)) socket.send(endings.get(id));
    else waiting.set(id, [...(waiting.get(id) ?? []), socket]);
  },
};

function accept(socket) {
  socket.seen = [];
  socket.heartbeats = 0;
  socket.on("heartbeat", () => socket.heartbeats++);
  socket.on("upgrading", (to) => socket.seen.push(`upgrading:${to.name}`));
  socket.on("upgrade", (to) => socket.seen.push(`upgrade:${to.name}:${socket.transport.name}`));
  socket.on("message", (message) => {
    const [command, ...rest] = typeof message === "string" ? message.split(" ") : [];
    if (command in commands) commands[command](socket, ...rest);
    else socket.send(message ?? "");
  });
  socket.on("close", (reason) => {
    endings.set(socket.id, reason);
    for (const other of waiting.get(socket.id) ?? []) other.send(reason);
  });
  const { greeting, then } = socket.request._query;
  for (const message of greeting?.split(",") ?? []) socket.send(message);
  if (then === "close") socket.close();
}

const server = makeServer();
const engine = new Server(engineOptions());
engine.on("connection", accept);
engine.attach(server);
if (options.static) new Server().attach(server, { path: "/other" });
const stop = () => {
  engine.close();
  process.exit(0);
};
process.on("SIGTERM", stop);
process.stdin.on("end", stop).resume();
const where = options.unix ? { path: options.unix } : { host: "127.0.0.1", port: options.port ?? 0 };
server.listen(where, () => console.log(JSON.stringify({ port: server.address().port ?? null })));
