// What @socket.io/admin-ui does on the wire: reads {url} as JSON, prints what it is told. The
// events of clients are those of socketio_nodes_app.py.
import { readFileSync } from "node:fs";

import { io } from "socket.io-client";

const { url } = JSON.parse(readFileSync(0, "utf8"));
const facts = {};
setTimeout(() => {
  console.error("took too long after", JSON.stringify(facts));
  process.exit(1);
}, 100_000).unref();

const options = { forceNew: true, reconnection: false, transports: ["websocket"] };
const told = [];
const until = async (probe) => {
  for (;;) {
    const found = probe();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};
// The first of its kind that fits; what an admin is told comes in no order that matters.
const news = (name, fits = () => true) =>
  until(() => told.find(([event, ...values]) => event === name && fits(...values)));

const stranger = io(`${url}/admin`, { ...options, auth: { username: "admin", password: "?" } });
facts.stranger = await new Promise((resolve) =>
  stranger.once("connect_error", (error) => resolve(error.message)),
);
stranger.disconnect();

const early = io(url, options);
await new Promise((resolve) => early.once("connect", resolve));
const admin = io(`${url}/admin`, { ...options, auth: { username: "admin", password: "secret" } });
admin.onAny((...event) => told.push(event));
facts.features = (await news("config"))[1].supportedFeatures;
facts.all = (await news("all_sockets"))[1]
  .map(({ nsp, transport, rooms }) => [nsp, transport, rooms.length])
  .sort();

// Somebody who comes and goes while they are counted.
const brief = io(url, options);
await new Promise((resolve) => brief.once("connect", resolve));
brief.disconnect();
const client = io(url, options);
await new Promise((resolve) => client.once("connect", resolve));
const { id: his } = client;
const isHis = (...values) => values.includes(his);
const [, connected] = await news("socket_connected", ({ id }) => id === client.id);
facts.connected = [connected.nsp, connected.transport, connected.handshake.secure];
client.emit("tell", null, "hello");
const [, , , received] = await news("event_received", isHis);
facts.received = received;
const isTold = (_, receiver, [event]) => event === "told" && receiver === early.id;
facts.sent = (await news("event_sent", isTold))[3];

admin.emit("join", "/", "room", client.id);
facts.joined = (await news("room_joined", (_, room) => room === "room")).slice(1, 3);
const seen = new Promise((resolve) => client.once("told", (...values) => resolve(values)));
admin.emit("emit", "/", "room", "told", "by", "admin");
facts.seen = await seen;
admin.emit("leave", "/", "room", client.id);
facts.left = (await news("room_left", (_, room) => room === "room")).slice(1, 3);

// Who came and went before may be counted at first.
const isSettled = ({ clientsCount, namespaces }) =>
  clientsCount === 3 && namespaces.find(({ name }) => name === "/").socketsCount === 2;
const [, statistics] = await news("server_stats", isSettled);
facts.statistics = [
  statistics.pollingClientsCount,
  statistics.namespaces.map(({ name, socketsCount }) => [name, socketsCount]),
];
const counted = () =>
  new Set(
    told
      .filter(([event]) => event === "server_stats")
      .flatMap(([, { aggregatedEvents }]) => aggregatedEvents)
      .filter(({ count }) => count > 0)
      .map(({ type }) => type),
  );
facts.counted = [...(await until(() => counted().size >= 6 && counted()))].sort();

const gone = new Promise((resolve) => client.once("disconnect", resolve));
admin.emit("_disconnect", "/", false, client.id);
facts.gone = await gone;
facts.disconnected = (await news("socket_disconnected", isHis))[3];
early.disconnect();
admin.disconnect();
console.log(JSON.stringify(facts));
process.exit(0);
