// The chat of the tutorial, with a server that is stopped and started again: {executable,
// url, profile, server, folder, screenshots} as JSON on standard input. Prints what two
// people saw, as one line of JSON.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";

import { startBrowser } from "./inspector_page.mjs";
import { looks } from "./looks.mjs";

const launch = JSON.parse(readFileSync(0, "utf8"));
const { server: command, folder } = launch;

async function startServer() {
  const server = spawn(command[0], command.slice(1), {
    cwd: folder,
    stdio: ["ignore", "pipe", "inherit"],
  });
  // Its only line, or the end of its output if it has failed.
  const said = String((await Promise.race([once(server.stdout, "data"), once(server, "exit")]))[0]);
  if (!said.startsWith("Chat at")) throw new Error(`the server did not start: ${said}`);
  return server;
}

async function stopServer(server) {
  server.kill("SIGINT");
  if (server.exitCode === null && server.signalCode === null) await once(server, "exit");
  return server.exitCode;
}

let server = await startServer();
try {
  const { context, facts: seen, open } = await startBrowser(launch);
  const state = (page, text) => page.locator("#state", { hasText: text }).waitFor();

  async function say(page, text) {
    await page.fill("#text", text);
    await page.press("#text", "Enter");
  }

  async function join(name) {
    const page = await open();
    await state(page, "connected by websocket");
    await say(page, name);
    await page.getByText(`${name} joined`).waitFor();
    return page;
  }

  const ada = await join("Ada");
  const grace = await join("Grace <b>");
  await say(ada, "hello, 世界 <script>");
  await say(grace, "hello yourself");
  await ada.getByText("hello yourself").waitFor();
  const screens = await looks(ada, launch.screenshots, "tutorial");
  const trouble = [...seen.trouble];

  const statuses = [await stopServer(server)];
  await state(ada, /^offline, next try in [12] s$/);
  server = await startServer();
  await state(ada, "connected by websocket");
  await state(grace, "connected by websocket");
  await say(grace, "still there");
  await ada.getByText("Grace <b>: still there").waitFor();
  await grace.close();
  await ada.getByText("Grace <b> left").last().waitFor();
  const lines = await ada.locator("#log li").allTextContents();
  await context.close();
  statuses.push(await stopServer(server));
  const tutorial = { lines, screens, statuses, trouble, elsewhere: seen.elsewhere };
  process.stdout.write(JSON.stringify({ tutorial }) + "\n");
} finally {
  await stopServer(server);
}
