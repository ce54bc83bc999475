// One whole message, in a dialog: to be read, and to be copied as it came.

import { byId } from "./dom.js";
import { bytes, hexLines, hexStart, number, visible } from "./text.js";

// So much is shown at a time; a browser that lays out more at once stands still.
const CHARACTERS = 50_000;
const BYTES = 16_384;

// A line of sixteen is too long for a small window.
const small = matchMedia("(max-width: 40rem)");

let content = "";
let bytesInLine = 16;
let shown = 0;

/**
 * Show a message.
 * @param title what it is
 * @param whole a string, or an ArrayBuffer; null if it was let go
 */
export function showMessage({ title, facts, whole }) {
  byId("message-title").textContent = title;
  byId("message-facts").textContent = facts;
  byId("message-copied").textContent = "";
  byId("message-text").replaceChildren();
  byId("message-text").classList.toggle("bytes", whole instanceof ArrayBuffer);
  byId("message-copy").disabled = whole === null;
  content = whole ?? "";
  shown = 0;
  bytesInLine = small.matches ? 8 : 16;
  showMore();
  byId("message-hint").textContent = hint(whole);
  byId("message").showModal();
  byId("message-text").scrollTop = 0;
}

function hint(whole) {
  if (whole === null) return "This message is not kept any more: the page keeps the latest 32 MB.";
  if (!byId("message-text").querySelector(".mark")) return whole === "" ? "It is empty." : "";
  return "Framed marks stand for characters that cannot be seen. Copy takes the message as it came.";
}

function showMore() {
  const text = typeof content === "string";
  const total = text ? content.length : content.byteLength;
  let end = Math.min(total, shown + (text ? CHARACTERS : BYTES));
  // Not between the halves of one character.
  if (text && /[\ud800-\udbff]/.test(content[end - 1] ?? "") && end < total) end += 1;
  byId("message-text").append(text ? visible(content.slice(shown, end), true) : hexLines(content, shown, end, bytesInLine));
  shown = end;
  const left = total - shown;
  byId("message-more").hidden = left === 0;
  byId("message-more").textContent = `Show more: ${text ? `${number(left)} characters` : bytes(left)} to come`;
}

/** Copy it: the text as it came, or the bytes in hexadecimal. */
async function copy() {
  const text = typeof content === "string" ? content : hexStart(content, content.byteLength);
  byId("message-copied").textContent = (await written(text)) ? "Copied." : "This browser does not let the page copy.";
}

async function written(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Browsers offer no clipboard to pages that come without TLS, but for localhost.
    return copiedFromField(text);
  }
}

function copiedFromField(text) {
  const field = document.createElement("textarea");
  field.className = "hidden";
  field.value = text;
  byId("message").append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  byId("message-copy").focus();
  return done;
}

byId("message-more").addEventListener("click", showMore);
byId("message-copy").addEventListener("click", copy);
byId("message-close").addEventListener("click", () => byId("message").close());
byId("message").addEventListener("click", ({ target }) => {
  // The dialog itself is hit only where nothing of its content is: around it.
  if (target === byId("message")) byId("message").close();
});
byId("message").addEventListener("close", () => {
  content = "";
  byId("message-text").replaceChildren();
});
