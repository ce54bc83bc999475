// A chat over Socket.IO: who is in the room, what they say, how long an answer takes.

import { Socket } from "./socket.js";

const $ = (id) => document.getElementById(id);
const { engine: PATH, script: SCRIPT } = document.documentElement.dataset;
const MAX_LINES = 500;

// The official client, where the server has it.
if (SCRIPT) await import(SCRIPT);
const official = globalThis.io;

const auth = {};
let room = "";

function start() {
  const options = { path: PATH, auth };
  const socket = official ? official(options) : new Socket(options);
  $("client").textContent = official ? "socket.io-client" : "this page";
  $("hint").hidden = Boolean(official);

  socket.on("connect", () => {
    $("id").textContent = `${socket.id.slice(0, 6)}…`;
    official && socket.io.engine.on("upgrade", () => showTransport(socket));
    $("leave").textContent = "Disconnect";
    $("leave").disabled = false;
    enter(socket);
  });
  socket.on("upgrade", () => showTransport(socket));
  socket.on("connect_error", (error) => official || show("news", "", `refused: ${error.message ?? error}`));
  socket.on("disconnect", (reason) => {
    show("news", "", `disconnected: ${reason}`);
    $("status").textContent = "Not connected";
    $("status").dataset.state = "closed";
    $("leave").textContent = "Connect";
    usable(false);
  });
  for (const event of ["joined", "left"]) {
    socket.on(event, ({ name, people }) => {
      show("news", "", `${name} ${event}`);
      showPeople(people);
    });
  }
  socket.on("said", ({ name, text }) => show("said", name, text));
  return socket;
}

function enter(socket) {
  ask(socket, "join", $("wanted").value, (state) => {
    if (room !== state.room) show("news", "", `you are in ${state.room}`);
    room = state.room;
    $("room").textContent = room;
    showPeople(state.people);
    showTransport(socket);
    usable(true);
  });
}

/** Send an event, and show how long the acknowledgement takes. */
function ask(socket, event, value, answered) {
  const begun = performance.now();
  socket.emit(event, value, (answer) => {
    $("took").textContent = `${(performance.now() - begun).toFixed(1)} ms`;
    answered(answer);
  });
}

function showTransport(socket) {
  const transport = socket.transport ?? socket.io.engine.transport.name;
  $("transport").textContent = transport;
  $("status").textContent = `Connected by ${transport}`;
  $("status").dataset.state = transport;
}

function showPeople(people) {
  $("people").textContent = people.join(", ");
}

function usable(whether) {
  $("text").disabled = $("send").disabled = !whether;
}

function show(kind, name, text) {
  const line = document.createElement("li");
  line.className = kind;
  if (name) {
    const who = document.createElement("b");
    who.textContent = name;
    line.append(who);
  }
  line.append(text);
  $("log").append(line);
  while ($("log").childElementCount > MAX_LINES) $("log").firstElementChild.remove();
  $("log").scrollTop = $("log").scrollHeight;
}

let socket = start();

$("composer").onsubmit = (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (!text) return;
  $("text").value = "";
  ask(socket, "say", text, (told) => show(told ? "said own" : "news", told ? "you" : "", told ? text : "nobody was told"));
};

$("identity").onsubmit = (event) => {
  event.preventDefault();
  const name = $("name").value.trim();
  if (name === (auth.name ?? "")) {
    if ($("leave").textContent === "Disconnect") enter(socket);
    return;
  }
  // A name is said when one connects.
  auth.name = name;
  socket.disconnect();
  socket.connect();
};

$("leave").onclick = () => {
  if ($("leave").textContent === "Disconnect") socket.disconnect();
  else socket.connect();
};
