// Chromium with page/socketio.html: {executable, url, profile, modes} as JSON on standard
// input. Prints what the page has seen in each mode, and what went wrong, as JSON.

import { readFileSync } from "node:fs";

import { startBrowser } from "./inspector_page.mjs";

const { modes, ...launch } = JSON.parse(readFileSync(0, "utf8"));
const { context, facts: seen, open } = await startBrowser(launch);
const facts = {};
for (const mode of modes) {
  const page = await open("/page/socketio.html");
  await page.waitForFunction(() => window.talk);
  facts[mode] = await page.evaluate((name) => talk(name), mode);
  await page.close();
}
await context.close();
process.stdout.write(JSON.stringify({ facts, trouble: seen.trouble, elsewhere: seen.elsewhere }));
