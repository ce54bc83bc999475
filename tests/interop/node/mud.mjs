// Two players of examples/mud: {executable, url, profile, screenshots} as JSON on standard
// input. Prints what the first one has seen, as one line of JSON.

import { readFileSync } from "node:fs";

import { startBrowser } from "./inspector_page.mjs";
import { looks } from "./looks.mjs";

const launch = JSON.parse(readFileSync(0, "utf8"));
const { context, facts: seen, open } = await startBrowser(launch);

async function type(page, text) {
  await page.fill("#line", text);
  await page.press("#line", "Enter");
}

async function play(name) {
  const page = await open();
  await page.getByText("What is your name?").waitFor();
  await page.locator("#state", { hasText: "connected by websocket" }).waitFor();
  await type(page, name);
  await page.getByText("A hall").waitFor();
  return page;
}

const ada = await play("Ada");
const grace = await play("Grace");
await ada.getByText("Grace comes in.").waitFor();
await type(ada, "say hello <b>you</b>");
await grace.getByText("Ada says: hello <b>you</b>").waitFor();
await type(grace, "north");
await ada.getByText("Grace goes north.").waitFor();
await type(grace, "say can you hear me?");
await grace.getByText("You say: can you hear me?").waitFor();
await type(ada, "north");
await grace.getByText("Ada comes in.").waitFor();
const screens = await looks(ada, launch.screenshots, "mud");
await grace.close();
await ada.getByText("Grace fades away.").waitFor();
const lines = await ada.locator("#log li").allTextContents();
await context.close();
const mud = { lines, screens, trouble: seen.trouble, elsewhere: seen.elsewhere };
process.stdout.write(JSON.stringify({ mud }) + "\n");
