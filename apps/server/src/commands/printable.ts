/** Text that came from outside, for a terminal: control and format characters would drive it. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, "?");
}
