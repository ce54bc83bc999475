// Cases for the inspector in Chromium: {case, executable, url, profile, engine} as a first
// line of JSON on standard input. Prints a line of JSON for each stage, and begins the next
// one when a line arrives.

import { createInterface } from "node:readline";
import WebSocket from "ws";
import { chosen, log, rows, say, startBrowser, status } from "./inspector_page.mjs";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const nextLine = async () => (await lines.next()).value;
const report = (stage, facts) => process.stdout.write(JSON.stringify({ stage, ...facts }) + "\n");

/** Wait until the page has asked the server, and shows what it said. */
async function asked(page, times) {
  for (let time = 0; time < times; time += 1) {
    await page.waitForResponse((response) => response.url().includes("/inspector/state"));
  }
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}

// --- many messages -----------------------------------------------------------------------

/** Count how often the list of packets changes, and how often its layout is asked for. */
function countUpdates() {
  const counts = (window.counts = { frames: 0, changes: 0, layouts: 0 });
  const frame = () => {
    counts.frames += 1;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  const list = document.getElementById("log");
  new MutationObserver(() => (counts.changes += 1)).observe(list, { childList: true });
  const { get } = Object.getOwnPropertyDescriptor(Element.prototype, "scrollHeight");
  Object.defineProperty(list, "scrollHeight", {
    get() {
      counts.layouts += 1;
      return get.call(list);
    },
  });
}

async function flood({ open, facts }) {
  for (const [label, transport] of [["Upgrade", "websocket"], ["Polling only", "polling"]]) {
    const page = await open();
    await chosen(page, label, `Open on ${transport}`);
    await page.click("#clear");
    await page.evaluate(countUpdates);
    await say(page, "flood 1000");
    await log(page).filter({ hasText: "message 1000" }).waitFor();
    const counts = await page.evaluate(() => window.counts);
    await page.locator("#cut:not([hidden])").waitFor();
    const [totals, cut] = [await page.textContent("#totals"), await page.textContent("#cut")];
    const kept = await page.locator("#log li").count();
    const inSight = await page.locator("#log").evaluate((list) => list.scrollHeight - list.scrollTop - list.clientHeight);
    report(transport, { ...counts, totals, cut, kept, inSight, trouble: facts.trouble });
    await page.close();
  }
}

// --- an application of the user's ------------------------------------------------------------

/** Ask the application for what it has received. */
async function seen(page) {
  await page.click("#clear");
  await say(page, "seen");
  return JSON.parse(await log(page).filter({ hasText: "[" }).last().locator(".content").textContent());
}

async function unasked({ open, facts }) {
  const page = await open();
  await status(page, "Open on websocket");
  await asked(page, 3);
  const before = await seen(page);
  await page.check("#measure");
  let after = [];
  while (!after.length) {
    await asked(page, 1);
    after = await seen(page);
  }
  report("unasked", { before, after: after[0], trouble: facts.trouble });
}

async function another({ open }) {
  const page = await open();
  await page.locator("#chart circle.websocket").first().waitFor({ state: "attached" });
  report("measured", {});
  await nextLine(); // an application of the user's is served there now
  await status(page, "Open on websocket again");
  await asked(page, 3);
  report("another", { seen: await seen(page) });
}

// --- whole messages --------------------------------------------------------------------------

async function whole({ open, facts, context }) {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const page = await open();
  await status(page, "Open on websocket");
  const text = `<b>one</b>\nsay \u202eexe.gnp\u202c ${"x".repeat(400)} the end`;
  await say(page, text);
  await log(page).filter({ hasText: "<b>one" }).waitFor();
  const row = await log(page).last().locator(".content").textContent();

  await page.focus("#log");
  await page.keyboard.press("End");
  await page.keyboard.press("Enter");
  const dialog = page.locator("#message[open]");
  await dialog.waitFor();
  const shown = await page.locator("#message-text").evaluate((each) => each.innerText);
  await page.click("#message-copy");
  await page.getByText("Copied.").waitFor();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  await page.keyboard.press("Escape");
  const focused = await page.evaluate(() => document.activeElement.id);

  await say(page, "y".repeat(200_000));
  await log(page).filter({ hasText: "yyy" }).click();
  await dialog.waitFor();
  while (await page.locator("#message-more").isVisible()) await page.click("#message-more");
  const long = await page.locator("#message-text").evaluate((each) => each.textContent.length);
  await page.click("#message-close");

  await page.setInputFiles("#file", { name: "a.bin", mimeType: "application/octet-stream", buffer: Buffer.from("0123456789abcdef\x00\xff", "latin1") });
  await log(page).filter({ hasText: "30 31" }).click();
  await dialog.waitFor();
  const binary = await page.textContent("#message-text");
  report("whole", { sent: text, row, shown, copied, focused, long, binary, trouble: facts.trouble });
}

// --- many sessions ---------------------------------------------------------------------------

/** Open a session; returns its socket, with the beginning of its id. */
function newSession(engine) {
  const socket = new WebSocket(`${engine.replace("http", "ws")}?EIO=4&transport=websocket`);
  return new Promise((opened, failed) => {
    socket.on("error", failed);
    socket.on("message", (data) => {
      const packet = String(data);
      if (packet[0] === "2") socket.send("3");
      if (packet[0] !== "0") return;
      socket.shownId = JSON.parse(packet.slice(1)).sid.slice(0, 6);
      opened(socket);
    });
  });
}

async function newSessions(engine, count) {
  const sessions = [];
  while (sessions.length < count) sessions.push(await newSession(engine));
  return sessions;
}

/** Note each moment at which the badge says another number than the table. */
function watchCounts() {
  window.contradictions = [];
  window.compared = 0;
  const look = () => {
    const note = document.getElementById("sessions-note").textContent;
    const badge = document.getElementById("session-count").textContent;
    const said = /^([\d,]+) session/.exec(note);
    if (said) window.compared += 1;
    if (said && said[1] !== badge) window.contradictions.push([badge, note]);
  };
  for (const id of ["session-count", "sessions-note"]) {
    new MutationObserver(look).observe(document.getElementById(id), { childList: true, characterData: true, subtree: true });
  }
}

const idsShown = (page) => rows(page).locator("td:first-child").evaluateAll((all) => all.map((cell) => cell.textContent.slice(0, 6)));
const showsFirst = (page, text) => rows(page).first().filter({ hasText: text }).waitFor();

async function crowd({ open, facts }, { engine }) {
  const sessions = await newSessions(engine, 300);
  const page = await open();
  await status(page, "Open on websocket");
  const badge = (text) => page.locator("#session-count", { hasText: new RegExp(`^${text}$`) }).waitFor();
  await badge("301");

  // While the other view is shown.
  sessions.push(await newSession(engine));
  await badge("302");
  sessions.pop().terminate();
  await badge("301");

  await page.evaluate(watchCounts);
  await page.click("#tab-sessions");
  await showsFirst(page, "this page");
  const shown = await idsShown(page);
  const place = await page.textContent("#place");
  const found = [];
  for (const index of [0, 150, 299]) {
    await page.fill("#search", sessions[index].shownId);
    await showsFirst(page, sessions[index].shownId);
    found.push(await page.textContent("#place"));
  }
  await page.fill("#search", "this page");
  await showsFirst(page, "this page");
  const own = await page.textContent("#place");
  await page.fill("#search", "");

  sessions[280].send(`4${"x".repeat(50_000)}`);
  await page.click("[data-sort=in]");
  await rows(page).nth(1).filter({ hasText: sessions[280].shownId }).waitFor();
  await page.click("[data-sort=opened]");
  await rows(page).nth(1).filter({ hasText: sessions[0].shownId }).waitFor();
  const everybody = new Set(await idsShown(page));
  // Asked for another page before an answer is there: that is what the page shows then.
  await page.route("**/inspector/sessions?*", async (route) => {
    await new Promise((done) => setTimeout(done, 500));
    await route.continue();
  });
  await page.waitForRequest((request) => request.url().includes("page=1&"));
  await page.click("#next");
  await page.locator("#place", { hasText: "101–200" }).waitFor();
  await page.unroute("**/inspector/sessions?*");
  for (const id of await idsShown(page)) everybody.add(id);
  for (const text of ["201–300", "301–301"]) {
    await page.click("#next");
    await page.locator("#place", { hasText: text }).waitFor();
    for (const id of await idsShown(page)) everybody.add(id);
  }

  while (sessions.length > 290) sessions.pop().terminate();
  await badge("291");
  const counts = await page.evaluate(() => [window.compared > 3, window.contradictions]);
  report("crowd", { shown: shown.length, place, found, own, everybody: everybody.size, counts, trouble: facts.trouble });
  for (const socket of sessions) socket.terminate();
}

async function focus({ open, facts }, { engine }) {
  const sessions = await newSessions(engine, 4);
  const page = await open("#sessions");
  await rows(page).nth(4).waitFor();
  const focused = () => page.evaluate(() => document.activeElement.closest("#rows tr")?.cells[0].textContent.slice(0, 6) ?? document.activeElement.id);
  const button = (session) => rows(page).filter({ hasText: session.shownId }).locator("button");
  const gone = (session) => rows(page).filter({ hasText: session.shownId }).waitFor({ state: "detached" });

  // The youngest come first. By keyboard: the next one has the focus when the row is gone.
  await button(sessions[2]).focus();
  await page.keyboard.press("Enter");
  await gone(sessions[2]);
  const afterClosing = (await focused()) === sessions[1].shownId;
  // The last one: there is only the one before it.
  await button(sessions[0]).focus();
  sessions[0].terminate();
  await gone(sessions[0]);
  const afterLast = (await focused()) === sessions[1].shownId;
  // Another order moves rows; the focus goes with its row.
  await button(sessions[3]).focus();
  sessions[1].send(`4${"x".repeat(9_000)}`);
  await page.evaluate(() => document.querySelector("[data-sort=in]").click());
  await rows(page).nth(1).filter({ hasText: sessions[1].shownId }).waitFor();
  const afterSorting = (await focused()) === sessions[3].shownId;

  // Rows stay where they are while the pointer is on a button, unless others are asked for.
  const pointedAt = () => page.evaluate(() => document.querySelector("#rows button:hover").closest("tr").cells[0].textContent.slice(0, 6));
  await page.evaluate(() => document.querySelector("[data-sort=opened]").click());
  await rows(page).nth(1).filter({ hasText: sessions[1].shownId }).waitFor();
  await page.evaluate(() => document.querySelector("[data-sort=opened]").click());
  await rows(page).nth(1).filter({ hasText: sessions[3].shownId }).waitFor();
  await button(sessions[3]).hover();
  sessions.push(await newSession(engine));
  await asked(page, 2);
  const whilePointedAt = (await pointedAt()) === sessions[3].shownId;
  await page.fill("#search", sessions[4].shownId);
  await showsFirst(page, sessions[4].shownId);
  await page.fill("#search", "");
  await rows(page).nth(1).filter({ hasText: sessions[4].shownId }).waitFor();
  report("focus", { afterClosing, afterLast, afterSorting, whilePointedAt, trouble: facts.trouble });
  for (const socket of sessions) socket.terminate();
}

// --- a server that goes away -------------------------------------------------------------------

async function gone({ open }) {
  const page = await open("#sessions");
  const closed = [];
  page.on("request", (request) => request.method() === "DELETE" && closed.push(request.url()));
  await status(page, "Open on websocket");
  await showsFirst(page, "this page");
  await rows(page).first().locator("button").focus();
  const look = async () => ({
    badge: await page.textContent("#session-count"),
    stale: await page.locator("#sessions-table.stale").count(),
    usable: await page.locator('#rows button:not([aria-disabled="true"])').count(),
    rows: await rows(page).count(),
    news: await page.textContent("#news"),
    focused: await page.evaluate(() => document.activeElement.id || document.activeElement.textContent),
  });
  report("before", await look());

  await nextLine(); // the server has been killed
  await page.locator('#news[data-state="gone"]').waitFor();
  await status(page, "Lost; trying again");
  const lost = await look();
  await page.keyboard.press("Enter");
  report("gone", { ...lost, closed });

  await nextLine(); // it has been started again
  await page.locator('#news[data-state="back"]').waitFor();
  await status(page, "Open on websocket again");
  await showsFirst(page, "this page");
  await page.locator("#session-count", { hasText: /^1$/ }).waitFor();
  await page.locator("#rows button[aria-disabled=false]").waitFor();
  const events = await page.locator("#log li.event .content").allTextContents();
  report("back", { ...(await look()), events });
}

// --- small windows -----------------------------------------------------------------------------

/** Return the texts that take more than one line, and how far the page is too wide. */
function wrapped() {
  const short = "button, h1, h2, th, dt, legend, .check, .own, .key, .count, #status, #place, #totals, #cut, .log li.packet span, td small, .modes span, .figure";
  const broken = [...document.querySelectorAll(short)].filter((each) => {
    const range = document.createRange();
    range.selectNodeContents(each);
    const boxes = [...range.getClientRects()].filter(({ width, height }) => width > 1 && height > 1);
    if (!boxes.length) return false;
    const height = Math.max(...boxes.map((box) => box.bottom)) - Math.min(...boxes.map((box) => box.top));
    return height > 1.7 * Math.max(...boxes.map((box) => box.height));
  });
  return { broken: broken.map((each) => each.textContent), wider: document.documentElement.scrollWidth - innerWidth };
}

async function narrow({ open, facts }) {
  const page = await open();
  await status(page, "Open on websocket");
  await say(page, "flood 1000");
  await log(page).filter({ hasText: "message 1000" }).waitFor();
  await say(page, "z".repeat(1234));
  const found = {};
  for (const width of [390, 1400]) {
    await page.setViewportSize({ width, height: 844 });
    await page.click("#tab-connection");
    await asked(page, 1);
    found[`connection at ${width}`] = await page.evaluate(wrapped);
    await page.click("#tab-sessions");
    await showsFirst(page, "this page");
    await asked(page, 1);
    found[`sessions at ${width}`] = await page.evaluate(wrapped);
  }
  report("narrow", { found, trouble: facts.trouble });
}

const CASES = { flood, unasked, another, whole, crowd, focus, gone, narrow };
const arguments_ = JSON.parse(await nextLine());
const browser = await startBrowser(arguments_);
try {
  await CASES[arguments_.case](browser, arguments_);
} finally {
  await browser.context.close();
}
process.exit(0);
