// Somebody uses the inspector: {executable, url, profile, pictures} as JSON on standard
// input. Prints what there was to see, as one line of JSON. With a folder for pictures it
// leaves screenshots there.

import { readFileSync } from "node:fs";
import { chosen, log, rows, say, startBrowser, status } from "./inspector_page.mjs";

const { pictures, ...arguments_ } = JSON.parse(readFileSync(0, "utf8"));
const { context, facts, open } = await startBrowser(arguments_);

async function said(page, text) {
  await say(page, text);
  await log(page).filter({ hasText: text }).nth(1).waitFor();
}

async function picture(page, name) {
  if (!pictures) return;
  for (const colorScheme of ["light", "dark"]) {
    for (const [width, height] of [[1280, 900], [390, 844]]) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height });
      await page.waitForTimeout(300);
      await page.screenshot({ path: `${pictures}/${name}-${colorScheme}-${width}.png`, fullPage: true });
    }
  }
  await page.setViewportSize({ width: 1280, height: 900 });
}

const page = await open();
await status(page, "Open on websocket");
facts.note = await page.textContent("#route-note");
facts.track = await page.getAttribute("#track", "data-at");
facts.handshake = await page.locator("#facts").innerText();
facts.first = await log(page).locator(".type").evaluateAll((all) => all.map((each) => each.textContent));

await said(page, "hello, 世界");
await page.setInputFiles("#file", { name: "a.bin", mimeType: "application/octet-stream", buffer: Buffer.from([0, 1, 254, 255]) });
await log(page).filter({ hasText: "00 01 fe ff" }).nth(1).waitFor();
facts.binary = await log(page).filter({ hasText: "00 01 fe ff" }).evaluateAll((all) => all.map((each) => [each.dataset.on, each.querySelector(".size").textContent]));
await page.setInputFiles("#file", { name: "b.bin", mimeType: "application/octet-stream", buffer: Buffer.alloc(1_000_001) });
facts.tooLarge = await page.locator("#problem:not(:empty)").textContent();

await page.locator("#chart path.websocket").waitFor({ state: "attached" });
facts.roundTrip = await page.textContent("#trip-now");

await chosen(page, "Polling only", "Open on polling");
await said(page, "by polling");
await page.setInputFiles("#file", { name: "c.bin", mimeType: "application/octet-stream", buffer: Buffer.from([7, 8, 9]) });
await log(page).filter({ hasText: "07 08 09" }).nth(1).waitFor();
facts.polling = await log(page).last().getAttribute("data-on");

await chosen(page, "WebSocket only", "Open on websocket");
await said(page, "by websocket");
await page.click("#drop");
await status(page, "Over: dropped by this page");
facts.disabled = await page.locator("#send").isDisabled();
await chosen(page, "Upgrade", "Open on websocket");
await page.click("#close");
await status(page, "Over: closed by this page");
await page.click("#connect");
await status(page, "Open on websocket");

// A second one, which the first one closes: all by keyboard.
const other = await open();
await status(other, "Open on websocket");
await page.focus("#tab-connection");
await page.keyboard.press("ArrowRight");
await rows(page).nth(1).waitFor();
facts.sessions = await rows(page).count();
facts.own = await page.locator("#rows .own").count();
facts.address = await rows(page).first().locator("td").nth(2).innerText();
facts.html = await page.content();
await picture(page, "sessions");
const theirs = rows(page).filter({ hasNot: page.locator(".own") });
await theirs.locator("button").focus();
await page.keyboard.press("Enter");
await status(other, "Over: closed by the server");
await page.waitForFunction(() => document.querySelectorAll("#rows tr").length === 1);
await page.click("#tab-connection");
if (pictures) {
  await chosen(page, "Polling only", "Open on polling");
  await page.waitForTimeout(7000);
  await chosen(page, "Upgrade", "Open on websocket");
  await said(page, "hello");
  await page.setInputFiles("#file", { name: "a.bin", mimeType: "application/octet-stream", buffer: Buffer.alloc(3000, 7) });
  await page.waitForTimeout(9000);
  await picture(page, "connection");
}
facts.wide = await page.evaluate(async () => document.documentElement.scrollWidth - innerWidth);
await page.setViewportSize({ width: 360, height: 740 });
facts.narrow = await page.evaluate(async () => document.documentElement.scrollWidth - innerWidth);

await context.close();
process.stdout.write(JSON.stringify(facts) + "\n");
