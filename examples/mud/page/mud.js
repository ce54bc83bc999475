"use strict";

const log = document.getElementById("log");
const line = document.getElementById("line");
const tell = (text) => (document.getElementById("state").textContent = text);

function show(text, kind = "said") {
  const item = document.createElement("li");
  item.className = kind;
  item.textContent = text;
  log.append(item);
  item.scrollIntoView();
}

const send = keepConnected(tell, (text) => show(text));

document.getElementById("form").onsubmit = (event) => {
  event.preventDefault();
  if (!send(line.value)) return;
  show(`> ${line.value}`, "typed");
  line.value = "";
};
