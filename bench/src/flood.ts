/** A load generator: writes prebuilt chunks into a socket as fast as it takes them. Runs as a process of its own. */
import net from "node:net";

const [host = "127.0.0.1", port = "0", messageHex = "", count = "0", preamble = "", end = ""] = process.argv.slice(2);
const message = Buffer.from(messageHex, "hex");
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
