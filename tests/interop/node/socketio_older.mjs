// socket.io-client 2, revision 4 of Socket.IO on revision 3 of Engine.IO: reads {url, mode}
// as JSON, prints what it has seen.
import { readFileSync } from "node:fs";

import io from "socket.io-client-2";

const { url, mode } = JSON.parse(readFileSync(0, "utf8"));
const transports = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] }[mode];
const options = { transports, forceNew: true, reconnection: false };
const facts = {};
setTimeout(() => {
  console.error("took too long after", JSON.stringify(facts));
  process.exit(1);
}, 100_000).unref();

const event = (socket, name) => new Promise((resolve) => socket.once(name, (...values) => resolve(values)));
const ask = (socket, name, ...values) =>
  new Promise((resolve) => socket.emit(name, ...values, (...answer) => resolve(answer)));
const plain = (value) => (value instanceof Uint8Array ? { bytes: [...value] } : value);
const connect = async () => {
  const socket = io(url, options);
  await event(socket, "connect");
  return socket;
};

const watch = await connect();
const socket = await connect();
facts.echo = await ask(socket, "echo", "a", { b: [1, null] });
facts.binary = (await ask(socket, "echo", Buffer.from([0, 1, 255]))).map(plain);
socket.on("question", (number, answer) => answer(number + 1));
facts.asked = await ask(socket, "ask");
const news = event(watch, "news");
socket.emit("news", Buffer.from([7]));
facts.news = (await news).map(plain);
const admin = socket.io.socket("/admin");
await event(admin, "connect");
facts.admin = await ask(admin, "whoami");
const stranger = socket.io.socket("/nowhere");
facts.nowhere = await event(stranger, "error");
const gone = event(socket, "disconnect");
socket.emit("kick");
facts.kicked = (await gone)[0];

console.log(JSON.stringify(facts));
process.exit(0);
