/** Options as a person wrote them: the parser makes a number of what looks like one, and a topic `007` would be `7`. */
import { UsageError } from "./usage-error.ts";

/**
 * An option's value in the words of the command line.
 * @throws UsageError when it is given more than once: which one counts is anybody's guess.
 */
export function asWritten(args: readonly string[], name: string): string | undefined {
  const option = `--${name}`;
  const found: (string | undefined)[] = [];
  for (const [index, arg] of args.entries()) {
    if (arg === "--") break;
    if (arg === option) found.push(args[index + 1]);
    else if (arg.startsWith(`${option}=`)) found.push(arg.slice(option.length + 1));
  }
  if (found.length > 1) throw new UsageError(`${option} is given ${found.length} times: give it once.`);
  return found[0];
}
