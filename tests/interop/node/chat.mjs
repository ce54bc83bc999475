// Two people meet in examples/chat: {executable, url, profile} as JSON on standard input.
// Prints what each of them sees, as one line of JSON.

import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const { executable, url, profile } = JSON.parse(readFileSync(0, "utf8"));
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

async function say(page, text) {
  await page.fill("#text", text);
  await page.press("#text", "Enter");
}

async function join(name) {
  const page = await context.newPage();
  await page.goto(url);
  await page.getByText("connected", { exact: true }).waitFor();
  await say(page, name);
  await page.getByText(`${name} joined`).waitFor();
  return page;
}

const ada = await join("Ada");
const grace = await join("Grace <b>");
await say(ada, "hello, 世界 <script>");
await say(grace, "hello yourself");
await ada.getByText("hello yourself").waitFor();
await grace.getByText("hello yourself").waitFor();
await grace.close();
await ada.getByText("Grace <b> left").waitFor();
const lines = await ada.locator("#log li").allTextContents();
await context.close();
process.stdout.write(JSON.stringify({ lines }) + "\n");
