// The application on socket.io. CommonJS, so that NODE_PATH says where it is.
"use strict";

const { createServer } = require("node:http");
const { parseArgs } = require("node:util");
const { Server } = require("socket.io");

const ROOM = "room";

const { values } = parseArgs({
  options: {
    "ping-interval": { type: "string", default: "25" },
    "ping-timeout": { type: "string", default: "20" },
  },
});

const server = createServer();
const io = new Server(server, {
  // The load knows one path, whatever server it talks to.
  path: "/engine.io/",
  pingInterval: Number(values["ping-interval"]) * 1000,
  pingTimeout: Number(values["ping-timeout"]) * 1000,
});

io.on("connection", (socket) => {
  socket.on("echo", (data, acknowledge) => acknowledge(data));
  socket.on("join", (acknowledge) => {
    socket.join(ROOM);
    acknowledge();
  });
  socket.on("tell", (data) => {
    io.to(ROOM).emit("told", data);
  });
});

server.listen(0, "127.0.0.1");
