"use strict";

const $ = (id) => document.getElementById(id);
const socket = io();
let entered = null;

socket.on("connect", () => {
  $("state").textContent = "connected";
  // After the connection was lost, into the room once more.
  if (entered) socket.emit("enter", ...entered);
});

socket.on("disconnect", (reason) => {
  $("state").textContent = `${reason} …`;
});

socket.on("said", (name, text) => {
  const line = document.createElement("li");
  const speaker = document.createElement("b");
  speaker.textContent = name;
  line.append(speaker, text);
  $("log").append(line);
  line.scrollIntoView();
});

$("enter").onsubmit = (event) => {
  event.preventDefault();
  entered = [$("name").value, $("room").value];
  socket.emit("enter", ...entered);
  $("text").focus();
};

$("say").onsubmit = (event) => {
  event.preventDefault();
  socket.emit("say", $("text").value);
  $("text").value = "";
};
