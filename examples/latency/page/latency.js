// Engine.IO by hand: over WebSocket alone it takes a few lines. A real page would use
// engine.io-client from npm, which also polls where WebSocket does not get through.
"use strict";

const [OPEN, PING, PONG, MESSAGE] = ["0", "2", "3", "4"];
const INTERVAL = 100; // milliseconds between an answer and the next question
const SHOWN = 300;
const show = (id, text) => (document.getElementById(id).textContent = text);
const milliseconds = (value) => `${value.toFixed(1)} ms`;
const times = [];
let count = 0;
let socket = null;

function connect() {
  const url = new URL("engine.io/?EIO=4&transport=websocket", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  socket = new WebSocket(url);
  socket.onmessage = ({ data }) => received(data[0], data.slice(1));
  socket.onclose = () => {
    show("state", "connection lost, trying again …");
    setTimeout(connect, 1000);
  };
}

function received(type, data) {
  if (type === OPEN) {
    show("state", "connected");
    ask(socket);
  } else if (type === PING) {
    socket.send(PONG);
  } else if (type === MESSAGE) {
    add(performance.now() - Number(data));
    setTimeout(ask, INTERVAL, socket);
  }
}

function ask(asked) {
  if (asked.readyState === WebSocket.OPEN) asked.send(MESSAGE + performance.now());
}

function add(time) {
  count += 1;
  times.push(time);
  if (times.length > SHOWN) times.shift();
  const sorted = times.toSorted((a, b) => a - b);
  const slowest = sorted.at(-1);
  show("now", milliseconds(time));
  show("median", milliseconds(sorted[Math.floor(sorted.length / 2)]));
  show("slowest", milliseconds(slowest));
  show("count", count);
  const step = 100 / (SHOWN - 1);
  const points = times.map((each, i) => `${i * step},${98 - (96 * each) / slowest}`);
  document.getElementById("line").setAttribute("points", points.join(" "));
}

connect();
