/** A load generator: writes prebuilt chunks into a socket as fast as it takes them. Runs as a process of its own. */
import net from "node:net";
import { commandLine } from "@esc/tooling/script";

const { host, port, count, preamble, end, ...values } = commandLine({
  about: "Writes one message over and over into a connection, as fast as it takes them. The other benches start it.",
  options: {
    host: { type: "string", default: "127.0.0.1", help: "To connect to" },
    port: { type: "string", default: "9000", help: "To connect to" },
    // No default that is all digits: the command line would take the option for a number.
    message: { type: "string", default: "", help: "In hex; a frame of one byte to the topic abc unless given" },
    count: { type: "string", default: "1", help: "Messages" },
    preamble: { type: "string", default: "", help: "In hex, before the first message" },
    end: { type: "string", default: "", help: "In hex, behind the last; the connection is ended without" },
  },
});
const message = Buffer.from(values.message || "0000000702000361626378", "hex");
const CHUNK_BYTES = 1 << 20;
const perChunk = Math.max(1, Math.floor(CHUNK_BYTES / message.length));
const chunk = Buffer.concat(Array.from({ length: perChunk }, () => message));
const total = Number(count);
let sent = 0;

const socket = net.connect({ host, port: Number(port) }, () => {
  if (preamble !== "") socket.write(Buffer.from(preamble, "hex"));
  go();
});
socket.on("drain", go);
socket.resume();
socket.on("close", () => process.exit(0));

function go(): void {
  while (sent < total) {
    const frames = Math.min(perChunk, total - sent);
    sent += frames;
    const part = frames === perChunk ? chunk : chunk.subarray(0, frames * message.length);
    if (!socket.write(part)) return;
  }
  if (sent === total) {
    sent++;
    // A peer that answers "I have all" before it closes; ours is asked through its counts.
    if (end !== "") socket.write(Buffer.from(end, "hex"));
    else socket.end();
  }
}
