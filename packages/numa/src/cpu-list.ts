/** Linux's lists of numbers, as in `0-3,8`: how sysfs, cgroups, `taskset` and `numactl` write sets of CPUs and nodes. */

/** No kernel has more: `NR_CPUS` ends at 8,192. A list beyond is garbage, and must not cost memory. */
const MOST = 8_192;

/**
 * The numbers of a list, ascending, each once. Empty text is an empty list.
 * @returns undefined for what is no list: other signs, a range that runs backwards, a number over 8,191.
 */
export function parseCpuList(text: string): readonly number[] | undefined {
  const trimmed = text.trim();
  if (trimmed === "") return [];
  const numbers = new Set<number>();
  for (const part of trimmed.split(",")) {
    const match = /^\s*(\d{1,4})(?:-(\d{1,4}))?\s*$/.exec(part);
    if (match === null) return undefined;
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    if (last < first || last >= MOST) return undefined;
    for (let number = first; number <= last; number++) numbers.add(number);
  }
  return [...numbers].sort((a, b) => a - b);
}

/** The list of these numbers: `0-3,8`; "" for none. */
export function formatCpuList(numbers: Iterable<number>): string {
  const sorted = [...new Set(numbers)].sort((a, b) => a - b);
  const ranges: [number, number][] = [];
  for (const number of sorted) {
    const range = ranges.at(-1);
    if (range !== undefined && range[1] === number - 1) range[1] = number;
    else ranges.push([number, number]);
  }
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(",");
}
