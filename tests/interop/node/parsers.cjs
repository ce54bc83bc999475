// Encodes and decodes with the official parsers: a line of JSON in, a line of JSON out.
// {revision, call, binary, packets | content}: binary says whether the peer takes binary
// data. Packets are [type, data]; bytes are {binary: hex}; an error is [null, null].

const { createInterface } = require("node:readline");
const parser3 = require("engine.io-parser-2");
const parser4 = require("engine.io-parser");

const TYPES = ["open", "close", "ping", "pong", "message", "upgrade", "noop"];

const plain = (data) => {
  if (data === undefined || data === null) return null;
  return typeof data === "string" ? data : { binary: Buffer.from(data).toString("hex") };
};
const unplain = (data) => {
  if (data === null) return undefined;
  return typeof data === "string" ? data : Buffer.from(data.binary, "hex");
};
const packetOf = ([type, data]) => {
  const packet = { type: TYPES[type] };
  if (data !== null) packet.data = unplain(data);
  return packet;
};
const plainPacket = ({ type, data }) => {
  if (type === "error") return [null, null];
  const number = TYPES.indexOf(type);
  return [number < 0 ? null : number, plain(data)];
};

const calls = {
  3: {
    encode_frame: ({ packets, binary }, done) =>
      parser3.encodePacket(packetOf(packets[0]), binary, false, (frame) => done(plain(frame))),
    decode_frame: ({ content }, done) =>
      done([plainPacket(parser3.decodePacket(unplain(content), "nodebuffer", false))]),
    encode_payload: ({ packets, binary }, done) =>
      parser3.encodePayload(packets.map(packetOf), binary, (body) => done(plain(body))),
    decode_payload: ({ content }, done) => {
      const packets = [];
      parser3.decodePayload(unplain(content), "nodebuffer", (packet) => {
        packets.push(plainPacket(packet));
        return packet.type !== "close"; // as the transport does: false ends the decoding
      });
      done(packets);
    },
  },
  4: {
    encode_frame: ({ packets, binary }, done) =>
      parser4.encodePacket(packetOf(packets[0]), binary, (frame) => done(plain(frame))),
    decode_frame: ({ content }, done) =>
      done([plainPacket(parser4.decodePacket(unplain(content), "nodebuffer"))]),
    encode_payload: ({ packets }, done) =>
      parser4.encodePayload(packets.map(packetOf), (body) => done(plain(body))),
    decode_payload: ({ content }, done) =>
      done(parser4.decodePayload(unplain(content), "nodebuffer").map(plainPacket)),
  },
};

createInterface({ input: process.stdin }).on("line", (line) => {
  const { revision, call, ...more } = JSON.parse(line);
  const done = (result) => process.stdout.write(JSON.stringify(result) + "\n");
  try {
    calls[revision][call](more, done);
  } catch (error) {
    done({ failed: String(error) });
  }
});
