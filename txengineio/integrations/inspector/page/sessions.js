// The table of all sessions. The server searches and sorts: it has them all.

import { byId, element, say } from "./dom.js";
import { closeSession } from "./server.js";
import { bytes, duration, many, milliseconds, number } from "./text.js";

const LABELS = ["", "Transport", "Address", "Age", "In", "Out", "Buffered", "Round trip"];
// Where the largest is what one looks for first.
const LARGEST_FIRST = new Set(["in", "out", "buffered", "roundTrip"]);

const query = { search: "", sort: "opened", descending: true, page: 1 };
const rows = new Map();
let askAgain = () => {};
let isFresh = false;
// Whether other rows were asked for, or all are old: they are shown in any case.
let isOtherQuery = true;

/** Have a function called when other sessions are to be shown than the last time. */
export function whenWanted(ask) {
  askAgain = ask;
}

/** Return what to ask the server for. */
export function wanted(own) {
  const { search, sort, descending, page } = query;
  return `sessions?${new URLSearchParams({ search, sort, descending: descending ? 1 : 0, page, own })}`;
}

/** Show how many sessions there are, and nothing else of them. */
export function showTotal(total) {
  byId("session-count").textContent = number(total);
  // What the table says is from another moment.
  byId("sessions-note").textContent = "";
}

/** Show a report: the table, and how many sessions there are. */
export function showSessions(report) {
  const { total, transports, handshakes, upgrades, missing, sessions, nodes = {} } = report;
  isFresh = true;
  byId("session-count").textContent = number(total);
  const kinds = Object.entries(transports).map(([name, count]) => `${number(count)} on ${name}`);
  const now = `${many(total, "session")} now${kinds.length ? `: ${kinds.join(", ")}` : ""}`;
  const silent = missing.length ? ` Without those of ${missing.join(", ")}: no answer.` : "";
  const shares = Object.entries(nodes).map(([name, count]) => `${count} on ${name}`);
  const where = shares.length > 1 ? ` ${shares.join(", ")}.` : "";
  say("sessions-note", `${now}. ${many(handshakes, "handshake")} and ${many(upgrades, "upgrade")} so far.${where}${silent}`);
  byId("sessions-table").classList.remove("stale");
  query.page = report.page;
  showPlace(report);
  if (isPointedAt() && !isOtherQuery) hold(sessions);
  else keepFocus(() => arrange(sessions));
  isOtherQuery = false;
  for (const session of sessions) if (rows.has(session.handle)) fillRow(rows.get(session.handle), session);
}

/** Mark what is shown as of the past: the server does not answer. */
export function markStale() {
  byId("session-count").textContent = "?";
  if (isFresh) say("sessions-note", "As it was when the server answered last.");
  isFresh = false;
  isOtherQuery = true;
  byId("sessions-table").classList.add("stale");
  for (const row of rows.values()) buttonOf(row).setAttribute("aria-disabled", "true");
  for (const id of ["previous", "next"]) byId(id).disabled = true;
}

function showPlace({ total, matching, listed, page, pages, start, sessions }) {
  const found = query.search ? `${number(matching)} of ${number(total)} match` : "";
  const range = pages > 1 ? `${number(start + 1)}–${number(start + sessions.length)} of ${number(matching)}` : found;
  const cut = listed < matching ? `; the first ${number(listed)} can be paged through, a search finds the others` : "";
  say("place", range + cut);
  byId("pager").hidden = pages === 1;
  byId("previous").disabled = page === 1;
  byId("next").disabled = page === pages;
  byId("nobody").hidden = matching > 0;
  byId("sessions-table").hidden = matching === 0;
  say("nobody", total ? `No session matches “${query.search}”.` : "Nobody is connected. Open a second window of this page to see it appear here.");
}

// --- rows ------------------------------------------------------------------------------

const buttonOf = (row) => row.querySelector("button");

/** Say whether somebody is about to press one of the buttons. */
const isPointedAt = () => byId("rows").querySelector("td:last-child:hover") !== null;

/** Leave the rows in their places, so that nobody closes another session than was meant. */
function hold(sessions) {
  const listed = new Set(sessions.map((session) => session.handle));
  for (const [handle, row] of rows) {
    row.classList.toggle("gone", !listed.has(handle));
    if (!listed.has(handle)) buttonOf(row).setAttribute("aria-disabled", "true");
  }
}

/** Bring the rows into the order of the sessions; rows of others go. */
function arrange(sessions) {
  const wantedRows = new Map(sessions.map((session) => [session.handle, rows.get(session.handle) ?? newRow(session)]));
  for (const [handle, row] of rows) if (!wantedRows.has(handle)) row.remove();
  rows.clear();
  let place = byId("rows").firstElementChild;
  for (const [handle, row] of wantedRows) {
    rows.set(handle, row);
    row.classList.remove("gone");
    if (row === place) place = place.nextElementSibling;
    else byId("rows").insertBefore(row, place);
  }
}

/** Change rows, and leave the focus where it was, or near: in the row that is there now. */
function keepFocus(change) {
  const focused = document.activeElement;
  const row = focused.closest("#rows tr");
  const index = row?.sectionRowIndex;
  change();
  if (!row || document.activeElement === focused) return;
  const left = byId("rows").rows;
  const next = row.isConnected ? row : left[Math.min(index, left.length - 1)];
  (next ? buttonOf(next) : byId("search")).focus({ preventScroll: true });
}

function newRow({ handle, id }) {
  const row = element("tr");
  for (const name of LABELS) {
    const cell = element("td", ["", "Transport", "Address"].includes(name) ? "" : "number");
    if (name) cell.dataset.label = name;
    row.append(cell);
  }
  row.firstChild.append(`${id}…`);
  const button = element("button", "small quiet", "Close");
  button.setAttribute("aria-label", `Close session ${id}`);
  button.addEventListener("click", () => close(handle, button));
  row.append(element("td"));
  row.lastChild.append(button);
  return row;
}

function fillRow(row, session) {
  const cells = row.children;
  const amount = (count, size) => [bytes(size), many(count, "message")];
  markOwn(row, session.own);
  fill(cells[1], session.transport, session.state === "open" ? "" : session.state);
  cells[1].className = `transport-${session.transport}`;
  fill(cells[2], session.address ?? "a Unix socket");
  fill(cells[3], duration(session.age));
  fill(cells[4], ...amount(session.messagesIn, session.bytesIn));
  fill(cells[5], ...amount(session.messagesOut, session.bytesOut));
  fill(cells[6], bytes(session.buffered));
  fill(cells[7], session.roundTrip === null ? "–" : milliseconds(session.roundTrip * 1000));
  if (!row.dataset.closing) buttonOf(row).setAttribute("aria-disabled", "false");
}

function markOwn(row, own) {
  const mark = row.querySelector(".own");
  if (own && !mark) row.firstChild.append(element("span", "own", "this page"));
  if (!own) mark?.remove();
}

function fill(cell, text, more = "") {
  if (cell.textContent === text + more) return;
  cell.replaceChildren(text);
  if (more) cell.append(element("small", "", more));
}

/** Close a session. The button stays where it is, so that it keeps the focus. */
async function close(handle, button) {
  if (button.getAttribute("aria-disabled") === "true") return;
  const row = button.closest("tr");
  row.dataset.closing = "yes";
  button.setAttribute("aria-disabled", "true");
  if (!(await closeSession(handle))) delete row.dataset.closing;
  askAgain();
}

// --- search and order ----------------------------------------------------------------------

function ask(changes) {
  Object.assign(query, changes);
  isOtherQuery = true;
  showOrder();
  askAgain();
}

function sortBy(sort) {
  const descending = sort === query.sort ? !query.descending : LARGEST_FIRST.has(sort);
  ask({ sort, descending, page: 1 });
}

function showOrder() {
  for (const button of document.querySelectorAll("#sessions th button")) {
    const chosen = button.dataset.sort === query.sort;
    // Who is the youngest was opened last.
    const rising = query.descending === (query.sort === "opened");
    const order = rising ? "ascending" : "descending";
    button.parentElement.setAttribute("aria-sort", chosen ? order : "none");
  }
  byId("sort").value = query.sort;
  byId("direction").textContent = query.descending === (query.sort === "opened") ? "↑" : "↓";
}

for (const button of document.querySelectorAll("#sessions th button")) {
  button.addEventListener("click", () => sortBy(button.dataset.sort));
}
byId("sort").addEventListener("change", ({ target }) => ask({ sort: target.value, descending: LARGEST_FIRST.has(target.value), page: 1 }));
byId("direction").addEventListener("click", () => ask({ descending: !query.descending, page: 1 }));
byId("search").addEventListener("input", ({ target }) => ask({ search: target.value.trim(), page: 1 }));
byId("previous").addEventListener("click", () => ask({ page: query.page - 1 }));
byId("next").addEventListener("click", () => ask({ page: query.page + 1 }));
showOrder();
