// An echo server of the reference implementation, for our client. Takes a Launch as
// JSON and the name of the package: engine.io, or engine.io-3 for revision 3.

const { readFileSync } = require("node:fs");
const http = require("node:http");
const https = require("node:https");

const launch = JSON.parse(process.argv[3]);
const { Server } = require(process.argv[2]);

const engine = new Server({
  pingInterval: launch.engine.ping_interval * 1000,
  pingTimeout: launch.engine.ping_timeout * 1000,
  maxHttpBufferSize: launch.engine.max_http_buffer_size,
  allowRequest: (request, answer) => {
    const refused = request.url.includes("refuse=yes");
    answer(refused ? "no entry" : null, !refused);
  },
});

engine.on("connection", (socket) => {
  socket.on("message", (message) => {
    const [command, count] = typeof message === "string" ? message.split(" ") : [];
    if (command === "!close") socket.close();
    else if (command === "!count") for (let i = 0; i < count; i++) socket.send(`n${i}`);
    else socket.send(message ?? "");
  });
});

const serveNothing = (request, response) => {
  response.writeHead(404, { "Content-Type": "text/html" }).end("<p>nothing here</p>");
};
const server = launch.tls
  ? https.createServer({ key: readFileSync(launch.tls.key), cert: readFileSync(launch.tls.certificate) }, serveNothing)
  : http.createServer(serveNothing);
engine.attach(server);
const stop = () => process.exit(0);
process.on("SIGTERM", stop);
process.stdin.on("end", stop).resume();
server.listen(launch.port, "127.0.0.1", () => console.log(JSON.stringify({ port: server.address().port })));
