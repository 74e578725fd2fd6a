/** Options as a person wrote them: the parser makes a number of what looks like one, and a topic `007` would be `7`. */

/** An option's value in the words of the command line. */
export function asWritten(args: readonly string[], name: string): string | undefined {
  const option = `--${name}`;
  for (const [index, arg] of args.entries()) {
    if (arg === "--") return undefined;
    if (arg === option) return args[index + 1];
    if (arg.startsWith(`${option}=`)) return arg.slice(option.length + 1);
  }
  return undefined;
}
