// Sessions on several nodes of one cluster, with the official client: {url, urls, mode, names}
// as in peer.mjs, `urls` being those of the nodes. The commands are those of
// tests/interop/application.py; tests/interop/python_nodes.py does the same.

import { main, Peer, TRANSPORTS } from "./peer.mjs";

const BROADCASTS = 100;
const MODES = ["polling", "websocket", "upgrade"];

async function everywhere(urls) {
  const peers = [];
  for (const url of urls) {
    for (const mode of MODES) {
      const peer = new Peer(url, { transports: TRANSPORTS[mode] });
      await peer.event(mode === "upgrade" ? "upgrade" : "open");
      peers.push(peer);
    }
  }
  return peers;
}

const scenarios = {
  // Each sees each message once: the last ones, which come after all others, end it.
  async broadcast({ urls }) {
    const peers = await everywhere(urls);
    const seen = [];
    for (const sender of [peers[0], peers[4], peers[8]]) {
      sender.send(`!broadcast ${BROADCASTS}`);
      for (const peer of peers) seen.push(await peer.take(BROADCASTS));
    }
    const left = peers.map((peer) => peer.messages.length);
    for (const peer of peers) peer.socket.close();
    return { seen, left };
  },

  async orders({ urls }) {
    const [one, , , two, , , three] = await everywhere(urls);
    one.send(`!send ${two.id} hello`);
    const facts = { told: await one.next(), heard: await two.next() };
    one.send(`!send ${two.id}_ hello`);
    facts.unknown = await one.next();
    one.send(`!close_other ${three.id}`);
    facts.closed = await one.next();
    facts.reason = await three.ended();
    one.send(`!close_other ${three.id}`);
    facts.again = await one.next();
    one.socket.close();
    two.socket.close();
    return facts;
  },
};

await main(scenarios);
