// examples/dashboard, over Engine.IO and over WebSocket alone: {executable, url, behind,
// profile, screenshots} as JSON on standard input, where `behind` is the address of a proxy
// in front of `url`. Prints what the pages showed, as one line of JSON.

import { readFileSync } from "node:fs";

import { startBrowser } from "./inspector_page.mjs";
import { looks } from "./looks.mjs";

const GOES_ON = 5; // news, of which there are two in a second

const launch = JSON.parse(readFileSync(0, "utf8"));
const { context } = await startBrowser(launch);
await context.addInitScript(() => {
  globalThis.news = 0;
  document.addEventListener("DOMContentLoaded", () => {
    const jobs = document.getElementById("jobs");
    new MutationObserver(() => (globalThis.news += 1)).observe(jobs, { childList: true });
  });
});

/** Open a page, wait for what it tells; return that, and how many jobs it shows. */
async function visit(name, address, told, news) {
  const page = await context.newPage();
  await page.goto(address);
  await page.locator("#state").getByText(told).waitFor();
  if (news) await page.waitForFunction((count) => globalThis.news >= count, news);
  else await page.waitForTimeout(2000); // in which the others have had four
  const facts = {
    state: await page.locator("#state").textContent(),
    jobs: await page.locator("dt").count(),
  };
  facts.screens = await looks(page, launch.screenshots, `dashboard-${name}`);
  await page.close();
  return facts;
}

const { url, behind } = launch;
const dashboard = {
  direct: await visit("direct", url, "connected by websocket", GOES_ON),
  directAlone: await visit("direct-alone", `${url}?websocket`, "connected by websocket alone", GOES_ON),
  behind: await visit("behind", behind, "connected by polling", GOES_ON),
  behindAlone: await visit("behind-alone", `${behind}?websocket`, "offline", 0),
};
await context.close();
process.stdout.write(JSON.stringify({ dashboard }) + "\n");
