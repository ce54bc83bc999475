// The inspector's page: its two views, and what happens every second.

import { drawChart } from "./chart.js";
import { connect, learn, measure, ownId, serverAnswers, whenChanged } from "./connection.js";
import { byId } from "./dom.js";
import { drawPackets } from "./packets.js";
import { answered, ask, failed } from "./server.js";
import { markStale, showSessions, showTotal, wanted, whenWanted } from "./sessions.js";

const tabs = [byId("tab-connection"), byId("tab-sessions")];
const showsSessions = () => !byId("sessions").hidden;

// --- what the server says ----------------------------------------------------------------

let looking = false;
let stale = false;

/** Look at the server now; while that is under way, once more afterwards. */
async function look() {
  stale = true;
  if (looking) return;
  looking = true;
  try {
    while (stale) {
      stale = false;
      await lookOnce();
    }
  } finally {
    looking = false;
  }
}

async function lookOnce() {
  let state;
  let report = null;
  try {
    state = await ask("state");
    learn(state);
    if (showsSessions()) report = await ask(wanted(ownId()));
  } catch (error) {
    if (failed(error)) markStale();
    // It tells nothing, but it is there.
    else serverAnswers({ restarted: false });
    return;
  }
  // The badge and the table tell of the same moment. An answer to a question that is not
  // the last one is not shown: it would undo what was asked for since.
  if (!report) showTotal(state.total);
  else if (!stale) showSessions(report);
  serverAnswers({ restarted: answered(state) });
}

// --- the views -------------------------------------------------------------------------------

function choose(tab) {
  for (const each of tabs) {
    const chosen = each === tab;
    each.setAttribute("aria-selected", chosen);
    each.tabIndex = chosen ? 0 : -1;
    byId(each.getAttribute("aria-controls")).hidden = !chosen;
  }
  history.replaceState(null, "", showsSessions() ? "#sessions" : location.pathname);
  if (showsSessions()) look();
  else draw();
}

function draw() {
  drawChart();
  drawPackets();
}

function watchTabs() {
  for (const [index, tab] of tabs.entries()) {
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", ({ key }) => {
      const steps = { ArrowLeft: -1, ArrowRight: 1 };
      if (!(key in steps)) return;
      const next = tabs[(index + steps[key] + tabs.length) % tabs.length];
      choose(next);
      next.focus();
    });
  }
}

function tick() {
  // Nobody sees it: it need not be up to date.
  if (document.hidden) return;
  measure();
  drawChart();
  if (!looking) look();
}

watchTabs();
whenWanted(look);
whenChanged(look);
addEventListener("resize", draw);
document.addEventListener("visibilitychange", tick);
setInterval(tick, 1000);
connect();
if (location.hash === "#sessions") choose(tabs[1]);
else look();
