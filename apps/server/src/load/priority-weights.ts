/** `--priority HIGH=1,LOW=4`: a turn of priorities in which each comes as often as its weight says, spread evenly. */
import type { PriorityName } from "@esc/events";
import { UsageError, wholeNumber } from "../commands/usage-error.ts";
import { priorityOption } from "../send/send-options.ts";

/** Frames are made for a whole turn beforehand, so it can't be of any length. */
const MAX_TURN = 1_000;

/**
 * What `--priority` takes: a name, a number, `mix`, or weights.
 * @throws UsageError.
 */
export function priorityTurn(written: string): PriorityName | "mix" | readonly PriorityName[] {
  if (!written.includes("=")) return priorityOption(written);
  const weights = new Map<PriorityName, number>();
  for (const part of written.split(",")) {
    const [name = "", weight, ...more] = part.trim().split("=");
    const priority = priorityOption(name);
    if (priority === "mix" || weight === undefined || weight === "" || more.length > 0 || weights.has(priority)) {
      throw new UsageError(`--priority takes weights like HIGH=1,LOW=4, each priority once, not "${written}".`);
    }
    weights.set(priority, wholeNumber(`--priority ${name}`, weight, 0, MAX_TURN));
  }
  const total = [...weights.values()].reduce((sum, weight) => sum + weight, 0);
  if (total < 1 || total > MAX_TURN) {
    throw new UsageError(`--priority takes weights that add up to 1 to ${MAX_TURN}, these make ${total}.`);
  }
  return smoothTurn(weights, total);
}

/** Smooth weighted round-robin, as nginx has it: each gains its weight, the one that is ahead comes and pays the total. */
function smoothTurn(weights: ReadonlyMap<PriorityName, number>, total: number): PriorityName[] {
  const ahead = [...weights].map(([name, weight]) => ({ name, weight, credit: 0 }));
  return Array.from({ length: total }, () => {
    for (const one of ahead) one.credit += one.weight;
    const next = ahead.reduce((best, one) => (one.credit > best.credit ? one : best));
    next.credit -= total;
    return next.name;
  });
}
