// Three people in examples/socketio/chat: {executable, url, profile} as JSON on standard
// input. Prints, as JSON, what is seen in each room, and what went wrong.

import { readFileSync } from "node:fs";

import { startBrowser } from "./inspector_page.mjs";

const { context, facts, open } = await startBrowser(JSON.parse(readFileSync(0, "utf8")));

async function enter(name, room) {
  const page = await open();
  await page.getByText("connected", { exact: true }).waitFor();
  await page.fill("#name", name);
  await page.fill("#room", room);
  await page.click("#enter button");
  await page.getByText(`${name}entered`).waitFor();
  return page;
}

async function say(page, text) {
  await page.fill("#text", text);
  await page.press("#text", "Enter");
  await page.getByText(text).waitFor();
}

const ada = await enter("Ada", "kitchen");
const grace = await enter("Grace", "kitchen");
const charles = await enter("Charles", "garden");
await ada.getByText("Graceentered").waitFor();
await say(ada, "hello <b>you</b>");
await grace.getByText("hello <b>you</b>").waitFor();
await say(charles, "anybody?");
await say(grace, "hello yourself");
await ada.getByText("hello yourself").waitFor();
const lines = (page) => page.locator("#log li").allTextContents();
const seen = { trouble: facts.trouble, kitchen: await lines(ada), garden: await lines(charles) };
await context.close();
process.stdout.write(JSON.stringify(seen));
