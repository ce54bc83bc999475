// Socket.IO's own client: reads {url, mode} as JSON, prints what it has seen.
import { readFileSync } from "node:fs";

import { io } from "socket.io-client";

import { converse } from "../page/socketio.mjs";

const { url, mode } = JSON.parse(readFileSync(0, "utf8"));
const facts = {};
setTimeout(() => {
  console.error("took too long after", JSON.stringify(facts));
  process.exit(1);
}, 100_000).unref();
await converse(io, url, mode, facts);
console.log(JSON.stringify(facts));
process.exit(0);
