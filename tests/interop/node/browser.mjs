// Drives Chromium with tests/interop/page: {chromium, url, profile} as a first line of
// JSON on standard input. Prints a line of JSON for each stage, and begins the next one
// when a line arrives; ends when standard input does.

import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const DEADLINE = 60_000;
const TEXTS = ["hello", "石室詩士 😀", "", "x".repeat(100_000)];
const BINARIES = [[0, 1, 2, 3, 4], [], Array.from({ length: 256 }, (_, i) => i)];
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

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const nextLine = async () => (await lines.next()).value;
const report = (facts) => process.stdout.write(JSON.stringify(facts) + "\n");

async function open(page, transports) {
  await page.evaluate((names) => connect({ transports: names }), transports);
  return happenings(page, transports.length > 1 ? "upgrade" : "open");
}

async function happenings(page, event) {
  const handle = await page.waitForFunction((name) => takeUntil(name), event, {
    timeout: DEADLINE,
  });
  return handle.jsonValue();
}

async function exchange(page) {
  await page.evaluate(
    ([texts, binaries]) => {
      for (const text of texts) socket.send(text);
      for (const binary of binaries) socket.send(new Uint8Array(binary));
      socket.send("that is all");
    },
    [TEXTS, BINARIES],
  );
  const received = [];
  while (received.at(-1)?.text !== "that is all") {
    received.push((await happenings(page, "message")).at(-1));
  }
  return received;
}

async function closed(page) {
  await page.evaluate(() => socket.close());
  return happenings(page, "close");
}

const { executable, url, profile } = JSON.parse(await nextLine());
const context = await chromium.launchPersistentContext(profile, {
  executablePath: executable,
  args: ARGUMENTS,
  timeout: DEADLINE,
});
try {
  const errors = [];
  const page = await context.newPage();
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.goto(url);
  const modes = { polling: ["polling"], websocket: ["websocket"] };
  for (const [mode, transports] of Object.entries(modes)) {
    const opened = await open(page, transports);
    const received = await exchange(page);
    report({ stage: mode, opened, received, closed: await closed(page) });
  }
  const opened = await open(page, ["polling", "websocket"]);
  report({ stage: "upgrade", opened, received: await exchange(page) });
  await nextLine(); // the server has been killed
  const lost = await happenings(page, "close");
  report({ stage: "lost", lost });
  await nextLine(); // it has been started again
  const reopened = await happenings(page, "upgrade");
  const received = await exchange(page);
  report({ stage: "back", reopened, received, closed: await closed(page), errors });
} finally {
  await context.close();
}
process.exit(0);
