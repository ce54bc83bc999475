// A session that comes back, after pauses that grow: tell(text) says how things are,
// received(message) takes what comes. The function that it returns sends, if it can.
function keepConnected(tell, received, options) {
  let socket, failures = 0;
  function connect() {
    tell("connecting …");
    socket = eio(location.origin, options);
    const connected = () => tell(`connected by ${socket.transport.name}`);
    socket.on("open", () => { failures = 0; connected(); });
    socket.on("upgrade", connected);
    socket.on("message", received);
    // Up to a minute, and by chance half as long: not all browsers are to come at once.
    socket.on("close", () => wait(Math.min(60, 2 ** ++failures) * (1 - Math.random() / 2)));
  }
  function wait(seconds) {
    if (seconds <= 0) return connect();
    tell(`offline, next try in ${Math.ceil(seconds)} s`);
    setTimeout(wait, 1000 * Math.min(1, seconds), seconds - 1);
  }
  connect();
  return (message) => socket.readyState === "open" && Boolean(socket.send(message));
}
