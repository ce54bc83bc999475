// What a Crossbar.io node that is set up like examples/crossbar serves, with the official
// client: see peer.mjs.

import { main, plain } from "./peer.mjs";

const scenarios = {
  // An application at the usual path.
  async shout({ settle }) {
    const peer = await settle({ path: "/engine.io/" });
    return {
      transports: peer.transports(),
      answers: [await peer.ask("hello"), await peer.ask("Grüße")],
      trouble: peer.trouble(),
    };
  },

  // A WAMP component that greets, and sends back everything backwards.
  async wamp({ settle }) {
    const peer = await settle({ path: "/eio/" });
    return {
      greeting: await peer.next(),
      transports: peer.transports(),
      text: await peer.ask("hello"),
      binary: plain(await peer.ask(Buffer.from([0, 1, 2, 255]))),
      nul: plain(await peer.ask("\0one")),
      trouble: peer.trouble(),
    };
  },
};

await main(scenarios);
