"use strict";

const show = (id, text) => (document.getElementById(id).textContent = text);
const send = keepConnected(
  (text) => show("state", text),
  (count) => show("count", count),
);
document.getElementById("clap").onclick = () => send("clap");
