"use strict";

// The same page over either. What a WebSocket alone lacks is not in the page: a proxy
// that passes no Upgrade answers it with an error, and there is nothing else to try.
const tell = (text) => (document.getElementById("state").textContent = text);
const alone = location.search === "?websocket";

function overWebSocket() {
  const socket = new WebSocket(new URL("/ws", location.href).href.replace("http", "ws"));
  socket.onopen = () => tell("connected by websocket alone");
  socket.onmessage = ({ data }) => show(data);
  socket.onclose = () => {
    tell("offline, trying again …");
    setTimeout(overWebSocket, 1000);
  };
}

function show(news) {
  const rows = Object.entries(JSON.parse(news)).flatMap(([name, done]) => {
    const [term, value] = [document.createElement("dt"), document.createElement("dd")];
    const bar = Object.assign(document.createElement("progress"), { max: 100, value: done });
    bar.ariaLabel = name;
    term.textContent = `${name}: ${done} %`;
    value.append(bar);
    return [term, value];
  });
  document.getElementById("jobs").replaceChildren(...rows);
}

if (alone) overWebSocket();
else keepConnected(tell, show);
