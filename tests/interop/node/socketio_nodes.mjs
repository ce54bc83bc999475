// Clients of a Socket.IO application that runs in several processes: reads {urls, mode, binary}
// as JSON, where binary is whether clients may answer so;
// prints what each of three clients, on three processes, has seen. The events are those of
// socketio_nodes_app.py.
import { readFileSync } from "node:fs";

import { io } from "socket.io-client";

const { urls, mode, binary } = JSON.parse(readFileSync(0, "utf8"));
const TRANSPORTS = {
  polling: ["polling"],
  websocket: ["websocket"],
  upgrade: ["polling", "websocket"],
};
const facts = {};
setTimeout(() => {
  console.error("took too long after", JSON.stringify(facts));
  process.exit(1);
}, 100_000).unref();

const plain = (value) =>
  value instanceof Uint8Array || value instanceof ArrayBuffer
    ? { bytes: [...new Uint8Array(value)] }
    : value;
const ask = (socket, event, ...values) =>
  new Promise((resolve) => socket.emit(event, ...values, (...answer) => resolve(answer)));

async function connect(url) {
  const socket = io(url, { transports: TRANSPORTS[mode], forceNew: true, reconnection: false });
  const seen = [];
  socket.on("told", (...values) => seen.push(values.map(plain)));
  socket.on("left", (sid, reason) => seen.push(["left", reason]));
  socket.on("question", (value, answer) =>
    answer(plain(value), binary ? Uint8Array.of(9) : 9),
  );
  await new Promise((resolve) => socket.once("connect", resolve));
  return { socket, seen };
}

// One on each process.
const found = new Map();
const others = [];
for (let tries = 0; found.size < 3 && tries < 100; tries++) {
  const client = await connect(urls[tries % urls.length]);
  const [place] = await ask(client.socket, "where");
  if (found.has(place)) others.push(client);
  else found.set(place, client);
}
facts.processes = found.size;
for (const { socket } of others) socket.disconnect();
const [one, two, three] = found.values();
const clients = [one, two, three];
const id = (client) => client.socket.id;

// Until the processes have heard of each other.
const met = ({ seen }) =>
  new Set(seen.filter(([text]) => text === "hello").map(([, from]) => from)).size === 2;
while (!clients.every(met)) {
  for (const { socket } of clients) await ask(socket, "tell", null, "hello", socket.id);
  await new Promise((resolve) => setTimeout(resolve, 100));
}

// What comes next comes after whatever is under way: told by all, seen by all others.
async function settled(last) {
  for (const { socket } of clients) await ask(socket, "tell", null, last);
  const done = () => clients.every(({ seen }) => seen.filter(([text]) => text === last).length === 2);
  while (!done()) await new Promise((resolve) => setTimeout(resolve, 10));
  return clients.map(({ seen }) =>
    seen.splice(0).filter(([text]) => text !== last && text !== "left"),
  );
}

await settled("begin");
await ask(one.socket, "tell", null, "all", Uint8Array.of(0, 255));
facts.all = await settled("1");
// From where they are, and from elsewhere.
await ask(one.socket, "enter", id(one), "room");
await ask(one.socket, "enter", id(two), "room");
await settled("entered");
await ask(one.socket, "tell", "room", "from one");
await ask(three.socket, "tell", "room", "from three");
await ask(three.socket, "tell", id(one), "alone");
facts.room = await settled("2");
await ask(three.socket, "leave", id(two), "room");
await ask(three.socket, "tell", "room", "one is left");
facts.leave = await settled("3");
await ask(two.socket, "close", "room");
await ask(two.socket, "tell", "room", "nobody");
facts.close = await settled("4");
facts.asked = (await ask(one.socket, "ask", id(three), Uint8Array.of(7))).map(plain);
facts.asked_itself = (await ask(one.socket, "ask", id(one), "me")).map(plain);
const gone = new Promise((resolve) => two.socket.once("disconnect", resolve));
const told = new Promise((resolve) => three.socket.once("left", (sid, reason) => resolve(reason)));
await ask(one.socket, "kick", id(two));
facts.kicked = await gone;
facts.told = await told;
for (const { socket } of clients) socket.disconnect();
console.log(JSON.stringify(facts));
process.exit(0);
