// Numbers and characters, for people.

import { element } from "./dom.js";

export const clock = (date) => date.toLocaleTimeString([], { hour12: false });
export const exactly = (date) => `${clock(date)}.${String(date.getMilliseconds()).padStart(3, "0")}`;
export const milliseconds = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
export const number = (value) => value.toLocaleString("en");
export const many = (count, one) => `${number(count)} ${one}${count === 1 ? "" : "s"}`;

export function bytes(count) {
  if (count < 1000) return `${count} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let unit = -1;
  do {
    count /= 1000;
    unit += 1;
  } while (count >= 999.5 && unit < units.length - 1);
  return `${count.toFixed(count < 9.95 ? 1 : 0)} ${units[unit]}`;
}

export function duration(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

// Characters that cannot be seen: controls, those that turn the direction of what comes
// after them, and others without a shape. A message must not look like another one.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

const NAMES = new Map([
  ["\n", "⏎"],
  ["\r", "CR"],
  ["\t", "TAB"],
  ["\0", "NUL"],
  ["\x1b", "ESC"],
  ["\x7f", "DEL"],
  ["\u00ad", "SHY"],
  ["\u061c", "ALM"],
  ["\u200b", "ZWSP"],
  ["\u200c", "ZWNJ"],
  ["\u200d", "ZWJ"],
  ["\u200e", "LRM"],
  ["\u200f", "RLM"],
  ["\u2028", "LS"],
  ["\u2029", "PS"],
  ["\u202a", "LRE"],
  ["\u202b", "RLE"],
  ["\u202c", "PDF"],
  ["\u202d", "LRO"],
  ["\u202e", "RLO"],
  ["\u2060", "WJ"],
  ["\u2066", "LRI"],
  ["\u2067", "RLI"],
  ["\u2068", "FSI"],
  ["\u2069", "PDI"],
  ["\ufeff", "BOM"],
]);

const codePoint = (character) => `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;

/**
 * Return text with a mark in place of each character that cannot be seen.
 * @param breaks whether the lines break where the text says so, too
 */
export function visible(text, breaks = false) {
  const shown = document.createDocumentFragment();
  let done = 0;
  for (const { 0: character, index } of text.matchAll(UNSEEN)) {
    const mark = element("i", "mark", NAMES.get(character) ?? codePoint(character));
    mark.title = codePoint(character);
    shown.append(text.slice(done, index), mark);
    if (breaks && character === "\n") shown.append("\n");
    done = index + character.length;
  }
  shown.append(text.slice(done));
  return shown;
}

const pair = (byte) => byte.toString(16).padStart(2, "0");

/** Return the first bytes, such as "00 ff …". */
export function hexStart(buffer, most) {
  const shown = new Uint8Array(buffer, 0, Math.min(buffer.byteLength, most));
  return Array.from(shown, pair).join(" ") + (buffer.byteLength > most ? " …" : "");
}

/** Return bytes in lines of so many, each with where it begins and what it says in ASCII. */
export function hexLines(buffer, start, end, width) {
  const lines = [];
  for (let at = start; at < end; at += width) {
    const line = Array.from(new Uint8Array(buffer, at, Math.min(width, end - at)));
    const ascii = line.map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : ".")).join("");
    lines.push(`${at.toString(16).padStart(6, "0")}  ${line.map(pair).join(" ").padEnd(3 * width - 1)}  ${ascii}\n`);
  }
  return lines.join("");
}
