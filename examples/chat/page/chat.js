// Engine.IO by hand: over WebSocket alone it takes a few lines. A real page would use
// engine.io-client from npm, which also polls where WebSocket does not get through.
"use strict";

const [OPEN, PING, PONG, MESSAGE] = ["0", "2", "3", "4"];
const log = document.getElementById("log");
const state = document.getElementById("state");
const prompt = document.getElementById("prompt");
const text = document.getElementById("text");
let name = null;
let socket = null;

function connect() {
  const url = new URL("engine.io/?EIO=4&transport=websocket", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  socket = new WebSocket(url);
  socket.onmessage = ({ data }) => received(data[0], data.slice(1));
  socket.onclose = () => {
    state.textContent = "connection lost, trying again …";
    setTimeout(connect, 1000);
  };
}

function received(type, data) {
  if (type === OPEN) {
    state.textContent = "connected";
    if (name !== null) send(name);
  } else if (type === PING) {
    socket.send(PONG);
  } else if (type === MESSAGE) {
    show(JSON.parse(data));
  }
}

function send(message) {
  socket.send(MESSAGE + message);
}

function show({ who, event, text }) {
  const line = document.createElement("li");
  if (event === "says") {
    const speaker = document.createElement("b");
    speaker.textContent = who;
    line.append(speaker, text);
  } else {
    line.className = "news";
    line.textContent = `${who} ${event}`;
  }
  log.append(line);
  line.scrollIntoView();
}

document.getElementById("form").onsubmit = (event) => {
  event.preventDefault();
  if (socket.readyState !== WebSocket.OPEN) return;
  send(text.value);
  if (name === null) {
    name = text.value;
    prompt.textContent = "Message";
  }
  text.value = "";
};

connect();
