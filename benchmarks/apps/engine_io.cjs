// The application on engine.io. CommonJS, so that NODE_PATH says where it is.
"use strict";

const { createServer } = require("node:http");
const { parseArgs } = require("node:util");
const { attach } = require("engine.io");

const { values } = parseArgs({
  options: {
    "ping-interval": { type: "string", default: "25" },
    "ping-timeout": { type: "string", default: "20" },
  },
});

const TICK = 5;

// How late a timer is, at most, in milliseconds; null until somebody asks.
let most = null;
let expected;

function schedule() {
  expected = performance.now() + TICK;
  setTimeout(() => {
    most = Math.max(most, performance.now() - expected);
    schedule();
  }, TICK);
}

function takeLateness() {
  if (most === null) schedule();
  const late = most ?? 0;
  most = 0;
  return late / 1000;
}

const server = createServer();
const engine = attach(server, {
  pingInterval: Number(values["ping-interval"]) * 1000,
  pingTimeout: Number(values["ping-timeout"]) * 1000,
});

engine.on("connection", (socket) => {
  socket.on("message", (message) => {
    if (typeof message === "string" && message.startsWith("B")) {
      for (const id in engine.clients) {
        engine.clients[id].send(message);
      }
    } else if (message === "L") {
      socket.send(`L${takeLateness()}`);
    } else {
      socket.send(message);
    }
  });
});

server.listen(0, "127.0.0.1");
