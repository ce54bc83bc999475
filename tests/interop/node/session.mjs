// What a session has to carry, with the official client: see peer.mjs. The commands
// are those of tests/interop/application.py; tests/interop/python_client.py runs the
// same scenarios.

import { digest, main, plain, unplain } from "./peer.mjs";

const ORDERED = 1000;
const LARGE = 900_000;

const later = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const scenarios = {
  async opening({ settle }) {
    const peer = await settle();
    return {
      handshake: peer.handshake,
      transports: peer.transports(),
      trouble: peer.trouble(),
      transport: await peer.ask("!transport"),
      request: await peer.ask("!request"),
      upgrades: await peer.ask("!upgrades"),
    };
  },

  async echoes({ settle, echoes }) {
    const peer = await settle();
    const received = {};
    for (const [name, messages] of Object.entries(echoes)) {
      for (const message of messages) peer.send(unplain(message));
      received[name] = (await peer.take(messages.length)).map(plain);
    }
    return received;
  },

  async views({ settle }) {
    const peer = await settle();
    peer.send("!views");
    return (await peer.take(4)).map(plain);
  },

  async array_buffer({ connect }) {
    const peer = connect();
    peer.socket.binaryType = "arraybuffer";
    await peer.event("open");
    const message = await peer.ask(Buffer.from([0, 1, 2, 3, 4]));
    return { type: message.constructor.name, message: plain(message) };
  },

  async large({ settle }) {
    const peer = await settle();
    return {
      text: digest(await peer.ask("€".repeat(LARGE / 3))),
      binary: digest(await peer.ask(Buffer.alloc(LARGE, "0123456789abcdef", "hex"))),
      text_from_server: digest(await peer.ask(`!big ${LARGE}`)),
      binary_from_server: digest(await peer.ask(`!binary ${LARGE}`)),
    };
  },

  async burst({ settle }) {
    const peer = await settle();
    peer.send(`!count ${ORDERED}`);
    return peer.take(ORDERED);
  },

  // Both sides send from the moment when the session opens until well after the
  // upgrade: the last tenth of each side waits for it.
  async ordered({ connect, mode }) {
    const upgrades = mode === "upgrade";
    let sent = 0;
    let sentAtUpgrade = null;
    const sendNext = (peer) => peer.send(`c${sent++}`);
    const peer = connect({}, (opened) => {
      opened.send(`!stream ${ORDERED}${upgrades ? " upgrade" : ""}`);
      while (sent < ORDERED / 2) sendNext(opened);
    });
    peer.socket.on("upgrading", () => {
      sendNext(peer);
      sendNext(peer);
    });
    peer.socket.on("upgrade", () => (sentAtUpgrade = sent));
    await peer.event("open");
    while (sent < ORDERED) {
      await later(2);
      const ceiling = upgrades && sentAtUpgrade === null ? ORDERED * 0.9 : ORDERED;
      for (let i = 0; i < 10 && sent < ceiling; i++) sendNext(peer);
    }
    const received = await peer.take(2 * ORDERED);
    return {
      echoed: received.filter((message) => message.startsWith("c")),
      streamed: received.filter((message) => message.startsWith("s")),
      sent_at_upgrade: sentAtUpgrade,
      transports: peer.transports(),
      trouble: peer.trouble(),
    };
  },

  async heartbeats({ settle }) {
    const peer = await settle();
    const answered = Number(await peer.ask("!heartbeats 3"));
    return { seen: peer.pings, answered, state: peer.socket.readyState };
  },

  async greeting({ connect }) {
    const peer = connect({ query: { greeting: "a,b,c" } });
    await peer.event("open");
    return [...(await peer.take(3)), await peer.ask("d")];
  },

  async greeting_then_close({ connect }) {
    const peer = connect({ query: { greeting: "a,b,c", then: "close" } });
    return { client: await peer.ended(), received: peer.messages };
  },

  async close_by_client({ settle }) {
    const peer = await settle();
    await peer.ask("still there");
    return { client: await peer.close(), server: await reasonAtServer(settle, peer) };
  },

  // In upgrade mode the WebSocket is being opened at this moment.
  async close_by_client_at_once({ connect, settle }) {
    const peer = connect({}, (opened) => opened.socket.close());
    const client = await peer.ended();
    return { client, server: await reasonAtServer(settle, peer), trouble: peer.trouble() };
  },

  async close_by_server({ settle }) {
    const peer = await settle();
    peer.send("!close");
    return { client: await peer.ended(), server: await reasonAtServer(settle, peer) };
  },

  // In upgrade mode the probe is on its way at this moment.
  async close_by_server_at_once({ connect, settle }) {
    const peer = connect({}, (opened) => opened.send("!close"));
    return { client: await peer.ended(), server: await reasonAtServer(settle, peer) };
  },

  async shutdown({ settle }) {
    const peer = await settle();
    peer.send("!shutdown");
    return { client: await peer.ended(), trouble: peer.trouble() };
  },

  refused: ({ connect }) => refusal(connect()),

  wrong_path: ({ connect }) => refusal(connect({ path: "/nowhere" })),

  unknown_session: ({ connect }) => refusal(connect({ query: { sid: "A".repeat(20) } })),

  // For a server that takes five bytes: what it cannot take ends the session.
  async small({ settle }) {
    return (await settle()).ask("a");
  },

  async oversize({ settle }) {
    const peer = await settle();
    peer.send("a".repeat(48));
    return { client: await peer.ended(), received: peer.messages };
  },
};

/** Ask over a second session why the first one ended. */
async function reasonAtServer(settle, peer) {
  return (await settle()).ask(`!reason ${peer.id}`);
}

async function refusal(peer) {
  const client = await peer.ended();
  const { status, body } = peer.find("error");
  return { client, status, body: body?.startsWith("{") ? JSON.parse(body) : null };
}

await main(scenarios);
