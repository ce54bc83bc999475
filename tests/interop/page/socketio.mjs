// What a client of Socket.IO meets at the server of socketio_serve.py, for Node.js and for
// browsers alike.

const TRANSPORTS = {
  polling: ["polling"],
  websocket: ["websocket"],
  upgrade: ["polling", "websocket"],
};

const ask = (socket, event, ...values) =>
  new Promise((resolve) => socket.emit(event, ...values, (...answer) => resolve(answer)));
const event = (socket, name) =>
  new Promise((resolve) => socket.once(name, (...values) => resolve(values)));
const plain = (value) =>
  value instanceof Uint8Array || value instanceof ArrayBuffer
    ? { bytes: [...new Uint8Array(value)] }
    : value;
const until = async (probe) => {
  for (let tries = 0; tries < 1200; tries++) {
    const found = await probe();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error("it did not happen");
};

/**
 * Talk to a server in every way.
 * @param io what socket.io-client is called by
 * @param url the server's origin
 * @param mode "polling", "websocket", or "upgrade"
 * @param facts takes what was seen
 */
export async function converse(io, url, mode, facts) {
  const options = { transports: TRANSPORTS[mode], forceNew: true, reconnection: false };
  const connect = async () => {
    const socket = io(url, options);
    await event(socket, "connect");
    return socket;
  };

  const watch = await connect();
  const socket = await connect();
  facts.echo = await ask(socket, "echo", "a", { b: [1, null] });
  facts.binary = (await ask(socket, "echo", Uint8Array.of(0, 1, 255))).map(plain);
  facts.caught = await ask(socket, "unheard_of", 3);
  socket.on("question", (number, answer) => answer(number + 1));
  facts.asked = await ask(socket, "ask");
  const news = event(watch, "news");
  socket.emit("news", Uint8Array.of(7));
  facts.news = (await news).map(plain);
  await ask(socket, "remember", "this");
  facts.recalled = await ask(socket, "recall");
  const wanted = mode === "polling" ? "polling" : "websocket";
  facts.transport = await until(async () => {
    const [name] = await ask(socket, "transport");
    return name === wanted && name;
  });

  const admin = socket.io.socket("/admin");
  await event(admin, "connect");
  facts.admin = await ask(admin, "whoami");
  const stranger = socket.io.socket("/nowhere");
  facts.nowhere = (await event(stranger, "connect_error")).map((error) => error.message);
  const refused = io(url, { ...options, auth: { refuse: true } });
  facts.refused = (await event(refused, "connect_error")).map((error) => [
    error.message,
    error.data,
  ]);
  refused.disconnect();

  const departures = async () => until(async () => {
    const [left] = await ask(watch, "departures");
    return left.length && left;
  });
  // Those of programs before this one.
  await ask(watch, "departures");
  const gone = event(socket, "disconnect");
  socket.emit("kick");
  facts.kicked = (await gone)[0];
  facts.kick_reason = await departures();
  socket.disconnect();
  const leaves = await connect();
  leaves.disconnect();
  facts.leave_reason = await departures();
  const lost = await connect();
  if (wanted === "websocket")
    await until(async () => lost.io.engine.transport.name === wanted);
  if (lost.io.engine.transport.ws) {
    lost.io.engine.transport.ws.close();
    facts.lost_reason = await departures();
  } else lost.disconnect();
}
