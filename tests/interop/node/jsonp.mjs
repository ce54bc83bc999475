// One session by JSONP, with client 3.5 in Chromium: {executable, url, profile, echoes}
// as JSON on standard input; prints what came back as a line of JSON.

import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const DEADLINE = 60_000;
const ARGUMENTS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const { executable, url, profile, echoes } = JSON.parse(readFileSync(0, "utf8"));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: executable,
  args: ARGUMENTS,
  timeout: DEADLINE,
});
try {
  const requests = [];
  const page = await context.newPage();
  page.setDefaultTimeout(DEADLINE);
  page.on("response", (response) => {
    if (!response.url().includes("/engine.io/")) return;
    requests.push({ method: response.request().method(), type: response.headers()["content-type"] });
  });
  await page.goto(`${url}/page/`);
  await page.addScriptTag({ url: "/client/engine.io.js" });
  const session = await page.evaluate(
    (messages) =>
      new Promise((resolve) => {
        const socket = eio(location.origin, { transports: ["polling"], forceJSONP: true });
        socket.binaryType = "arraybuffer";
        const received = [];
        const plain = (message) =>
          message instanceof ArrayBuffer
            ? { bytes: Array.from(new Uint8Array(message)) }
            : (message ?? "");
        socket.on("open", () => {
          for (const message of messages) {
            socket.send(message.bytes ? new Uint8Array(message.bytes).buffer : message);
          }
        });
        socket.on("message", (message) => {
          received.push(plain(message));
          if (received.length === messages.length) socket.close();
        });
        socket.on("close", (reason) => resolve({ received, reason, protocol: eio.protocol }));
      }),
    echoes,
  );
  process.stdout.write(JSON.stringify({ session: { ...session, requests } }) + "\n");
} finally {
  await context.close();
}
process.exit(0);
