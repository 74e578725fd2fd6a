/** What went wrong and how it came about: the schedule, performed once more with every shared access written down. */
import { MODEL } from "./machine.mjs";

/** Lines of the message; `timeline` of the error has all. */
const MAX_LINES = 150;
/** Plain accesses of a step that are listed. */
const MAX_PLAIN = 3;
/** Characters of a line of source that are quoted. */
const MAX_SOURCE = 100;

export class ExplorationError extends Error {
  /** @param {string} code @param {Error} cause @param {string[]} lines @param {number} states */
  constructor(code, cause, lines, states) {
    const left = lines.length - MAX_LINES;
    const shown = left > 0 ? [`… ${left} lines before`, ...lines.slice(left)] : lines;
    super([cause.message, "", ...shown, `(${states} states seen)`].join("\n"), { cause });
    this.name = "ExplorationError";
    this.code = code;
    this.timeline = lines;
  }
}

/** @returns {string[]} one line for each shared access; a step may hold several */
export function timeline(machine, { threads }, schedule) {
  const names = threads.map(([name, ...args], thread) => `${thread}:${name}(${args.join(", ")})`);
  const width = Math.max(...names.map((name) => name.length));
  const lines = [];
  let step = 0;
  let thread = 0;
  let first = true;
  let plain = 0;
  const line = (what, site) => {
    const number = first ? String(step) : "";
    first = false;
    const place = site ? `${site.place.replace("~lib/", "")}  ${site.source.slice(0, MAX_SOURCE)}` : "";
    lines.push(`${number.padStart(4)}  ${names[thread].padEnd(width)}  ${what.padEnd(46)}  ${place}`.trimEnd());
  };
  const summarize = () => {
    if (plain > MAX_PLAIN) line(`and ${plain - MAX_PLAIN} more plain accesses`);
    plain = 0;
  };
  machine.onAccess = (site, address, a, b, c) => {
    if (!site.op.startsWith("memory.atomic") && !machine.isShared(address)) return;
    if (!site.op.includes("atomic") && ++plain > MAX_PLAIN) return;
    line(described(site.op, address, a, b, c), site);
  };
  machine.renew();
  machine.tracing = true;
  try {
    machine.reset();
    for (const choice of schedule) {
      step++;
      first = true;
      thread = choice >> 4;
      if ((choice & 15) === 1) line("its wait times out");
      if ((choice & 15) >= 2) {
        const { address, size, at } = machine.bufferedStore(thread, (choice & 15) - 2);
        line(`its store of ${size} bytes at ${offset(address)} becomes visible: ${valueAt(machine, at + 16, size)}`);
      }
      machine.perform(choice);
      summarize();
    }
  } catch (error) {
    line(`throws: ${error.message}`);
  } finally {
    machine.tracing = false;
    machine.onAccess = undefined;
  }
  lines.push(`      at the end: ${names.map((name, i) => `${name} ${machine.statuses[i]}`).join(", ")}`);
  return lines;
}

function described(op, address, a, b, c) {
  const at = offset(address);
  const value = (bits) => number(op, bits);
  if (op.startsWith("memory.atomic.wait")) {
    if (c === 1n) return `wait at ${at}: ${b === 2n ? "timed out" : "woken"}`;
    return a === b
      ? `wait at ${at} while ${value(a)}: sleeps`
      : `wait at ${at} while ${value(a)}: is ${value(b)}, goes on`;
  }
  if (op === "memory.atomic.notify") return `notify at ${at}: wakes ${b}`;
  if (op.includes("cmpxchg")) {
    return `${op} ${at}: ${value(a)} → ${value(b)} ${a === c ? "done" : `refused, it is ${value(c)}`}`;
  }
  if (op.includes("rmw")) return `${op} ${at}: ${value(a)}, was ${value(b)}`;
  if (op.includes("load")) return `${op} ${at} is ${value(a)}`;
  return `${op} ${at} = ${value(a)}`;
}

function number(op, bits) {
  if (op.startsWith("f64")) return String(new Float64Array(new BigInt64Array([bits]).buffer)[0]);
  if (op.startsWith("f32")) return String(new Float32Array(new BigInt64Array([bits]).buffer)[0]);
  const unsigned = BigInt.asUintN(64, bits);
  return unsigned < 1_000_000n ? String(unsigned) : `0x${unsigned.toString(16)}`;
}

function valueAt(machine, at, size) {
  const bytes = Buffer.from(machine.buffer, at, Math.min(size, 8));
  return number("", size === 8 || size === 16 ? bytes.readBigUInt64LE() : BigInt(bytes.readUIntLE(0, size)));
}

function offset(address) {
  return `+${address - MODEL}`;
}
