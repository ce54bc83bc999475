// Two windows with examples/applause, whose network goes away and comes back:
// {executable, url, profile, screenshots} as JSON on standard input. Prints what the pages
// told, as one line of JSON.

import { readFileSync } from "node:fs";

import { startBrowser } from "./inspector_page.mjs";
import { looks } from "./looks.mjs";

const launch = JSON.parse(readFileSync(0, "utf8"));
const { context, facts: seen, open } = await startBrowser(launch);

const state = (page, text) => page.locator("#state", { hasText: text }).waitFor();
const count = (page, text) => page.locator("#count").getByText(text, { exact: true }).waitFor();

// What a page tells, from its first line on.
await context.addInitScript(() => {
  globalThis.told = [];
  document.addEventListener("DOMContentLoaded", () => {
    const element = document.getElementById("state");
    const note = () => globalThis.told.push(element.textContent);
    note();
    new MutationObserver(note).observe(element, { childList: true });
  });
});

const [first, second] = [await open(), await open()];
await state(first, "connected by websocket");
await state(second, "connected by websocket");
await count(first, "0");
await first.click("#clap");
await count(second, "1");
await second.click("#clap");
await count(first, "2");
const told = await first.evaluate(() => globalThis.told.splice(0));
const trouble = [...seen.trouble];
const screens = await looks(first, launch.screenshots, "applause");

await context.setOffline(true);
await first.waitForFunction(() => globalThis.told.filter((text) => text === "connecting …").length >= 2);
await first.locator("#state", { hasText: "offline" }).waitFor();
await first.click("#clap"); // goes nowhere
await looks(first, launch.screenshots, "applause-offline");
await context.setOffline(false);
await state(first, "connected by websocket");
await first.click("#clap");
await count(second, "3");
const toldOffline = await first.evaluate(() => globalThis.told.splice(0));
await context.close();
const applause = { told, toldOffline, screens, trouble, elsewhere: seen.elsewhere };
process.stdout.write(JSON.stringify({ applause }) + "\n");
