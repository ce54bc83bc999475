// Two people in the chat of `twistd socketio`, in Chromium: {executable, url, profile} as
// JSON on standard input. Prints, as JSON, what they saw and how wide the page was.

import { readFileSync } from "node:fs";

import { startBrowser, status } from "./inspector_page.mjs";

const SIZES = [
  { width: 390, height: 844 },
  { width: 1400, height: 900 },
];

const launch = JSON.parse(readFileSync(0, "utf8"));
const { context, facts: seen, open } = await startBrowser(launch);
const facts = { sizes: [] };

async function enter(name) {
  const page = await open();
  await status(page, "Connected by websocket");
  await page.fill("#name", name);
  await page.fill("#wanted", "kitchen");
  await page.click("#identity button");
  await page.getByText("you are in kitchen").waitFor();
  return page;
}

async function say(page, text) {
  await page.fill("#text", text);
  await page.press("#text", "Enter");
}

const ada = await enter("Ada");
const grace = await enter("Grace");
await ada.getByText("Grace joined").waitFor();
await say(ada, "hello <b>you</b>");
await say(grace, "hello yourself");
await grace.getByText("hello <b>you</b>").waitFor();
await ada.getByText("hello yourself").waitFor();
facts.people = await ada.locator("#people").textContent();
facts.client = await ada.locator("#client").textContent();
facts.took = await ada.locator("#took").textContent();
facts.hint = await ada.locator("#hint").isVisible();
for (const colorScheme of ["light", "dark"]) {
  await ada.emulateMedia({ colorScheme });
  for (const size of SIZES) {
    await ada.setViewportSize(size);
    facts.sizes.push(
      await ada.evaluate(() => ({
        wide: document.documentElement.scrollWidth,
        ground: getComputedStyle(document.body).backgroundColor,
        ink: getComputedStyle(document.body).color,
      })),
    );
  }
}
await grace.click("#leave");
await ada.getByText("Grace left").waitFor();
await grace.getByText("disconnected: io client disconnect").last().waitFor();
await status(grace, "Not connected");
await grace.click("#leave");
await ada.getByText("Grace joined").nth(1).waitFor();
facts.heard = await ada.locator("#log li.said").allTextContents();
await context.close();
process.stdout.write(JSON.stringify({ facts, trouble: seen.trouble, elsewhere: seen.elsewhere }));
