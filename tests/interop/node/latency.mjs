// Opens examples/latency: {executable, url, profile, screenshot} as JSON on standard
// input. Prints what the page shows after a few round trips, as one line of JSON.

import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const { executable, url, profile, screenshot } = JSON.parse(readFileSync(0, "utf8"));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: executable,
  args: [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
const page = await context.newPage();
const errors = [];
page.on("pageerror", (error) => errors.push(String(error)));
await page.goto(url);
await page.waitForFunction(() => Number(document.getElementById("count").textContent) >= 5);
const text = (id) => page.locator(`#${id}`).textContent();
const latency = {
  state: await text("state"),
  now: await text("now"),
  median: await text("median"),
  points: (await page.locator("#line").getAttribute("points")).split(" ").length,
  errors,
};
if (screenshot) await page.screenshot({ path: screenshot });
await context.close();
process.stdout.write(JSON.stringify({ latency }) + "\n");
