// The inspector in Chromium, for those who use it: one browser, and what to look for.

import { chromium } from "playwright-core";

export const DEADLINE = 60_000;

/** Start Chromium; `facts` collects what must not happen, and ids that must not be shown. */
export async function startBrowser({ executable, url, profile }) {
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: executable,
    viewport: { width: 1280, height: 900 },
    timeout: DEADLINE,
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
  context.setDefaultTimeout(DEADLINE);
  const facts = { trouble: [], elsewhere: [], sids: [] };
  const { origin } = new URL(url);

  async function open(hash = "") {
    const page = await context.newPage();
    page.on("pageerror", (error) => facts.trouble.push(String(error)));
    page.on("console", (line) => line.type() === "error" && facts.trouble.push(line.text()));
    page.on("request", (request) => {
      const { protocol, origin: asked, searchParams } = new URL(request.url());
      if (protocol !== "data:" && asked !== origin) facts.elsewhere.push(request.url());
      if (searchParams.has("sid")) facts.sids.push(searchParams.get("sid"));
    });
    await page.goto(url + hash);
    return page;
  }

  return { context, facts, open };
}

export const status = (page, text) => page.locator("#status", { hasText: text }).waitFor();
export const log = (page) => page.locator("#log li:not(.event):not(.measurement)");
export const rows = (page) => page.locator("#rows tr");

/** Choose how to connect, and wait until that is done. */
export async function chosen(page, label, state) {
  await page.getByText(label, { exact: true }).click();
  await page.click("#connect");
  await status(page, state);
}

/** Send a text. */
export async function say(page, text) {
  await page.fill("#text", text);
  await page.press("#text", "Enter");
}
