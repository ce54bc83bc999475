// How many of many clients get through: {url, transports, clients, echoes}. Each sends
// numbers, one after the other, and gets through if all of them come back in order.

import { readFileSync } from "node:fs";
import { Socket } from "engine.io-client";

const PATIENCE = 20_000;

const { url, transports, clients, echoes } = JSON.parse(readFileSync(0, "utf8"));

const visit = () =>
  new Promise((resolve) => {
    const socket = new Socket(url, { transports });
    let next = 0;
    const end = (hasPassed) => {
      resolve(hasPassed);
      clearTimeout(timer);
      socket.close();
    };
    const timer = setTimeout(end, PATIENCE, false);
    socket.on("open", () => socket.send("0"));
    socket.on("message", (message) => {
      if (message !== String(next)) end(false);
      else if (++next === echoes) end(true);
      else socket.send(String(next));
    });
    socket.on("close", () => end(false));
    socket.on("error", () => end(false));
  });

const passed = await Promise.all(Array.from({ length: clients }, visit));
console.log(JSON.stringify({ passed: passed.filter(Boolean).length }));
process.exit(0);
