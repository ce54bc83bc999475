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
    } else {
      socket.send(message);
    }
  });
});

server.listen(0, "127.0.0.1");
