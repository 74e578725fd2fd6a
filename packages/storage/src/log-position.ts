/** Where in a folder of segments a reader has to begin: by the segments' names and indexes, without reading records. */
import { RecordScanner, ScanEnd } from "./record-scanner.ts";
import { indexPath, listSequences, type SegmentFile, segmentFile } from "./segment-files.ts";
import { readIndex, readSummary } from "./segment-index.ts";
import { SegmentInput } from "./segment-input.ts";

/** The segment that holds a sequence, or else the first one behind it; undefined in an empty log. */
export function segmentOf(dir: string, sequence: number): SegmentFile | undefined {
  const firsts = listSequences(dir);
  const first = firsts.findLast((each) => each <= sequence) ?? firsts[0];
  return first === undefined ? undefined : segmentFile(dir, first);
}

/** The first segment that may hold a record as late as a time; undefined in an empty log. */
export function segmentOfTime(dir: string, timeMs: number): SegmentFile | undefined {
  const firsts = listSequences(dir);
  const last = firsts.at(-1);
  for (const first of firsts) {
    const segment = segmentFile(dir, first);
    // Gone meanwhile: retention takes them from the front.
    if (segment === undefined) continue;
    const known = readSummary(indexPath(segment.path), first);
    const passed = known?.closed && known.coveredBytes === segment.bytes && known.maxTimeMs < timeMs;
    if (first === last || !passed) return segment;
  }
  return undefined;
}

/** Where a segment is to be read from, for a sequence or a time. */
export function placeIn(
  segment: SegmentFile,
  input: SegmentInput,
  from: { readonly sequence: number } | { readonly timeMs: number },
): { readonly offset: number; readonly sequence: number } {
  const start = { offset: 0, sequence: segment.firstSequence };
  const index = readIndex(indexPath(segment.path), segment.firstSequence);
  const place = "sequence" in from ? index?.placeOf(from.sequence) : index?.placeOfTime(from.timeMs);
  if (place === undefined || place.offset === 0) return start;
  // An index is a hint: what it points to must be the very record it names, or the segment is read from its start.
  return input.goodAt(place.offset) === place.sequence ? place : start;
}

/** Sequence behind the last good record of a log; 1 in an empty one. Reads what the last segment's index doesn't cover. */
export function endOfLog(dir: string): number {
  const first = listSequences(dir).at(-1);
  const segment = first === undefined ? undefined : segmentFile(dir, first);
  if (segment === undefined) return 1;
  using input = new SegmentInput(segment.path, new RecordScanner());
  let { offset, sequence } = placeIn(segment, input, { sequence: Number.MAX_SAFE_INTEGER });
  for (;;) {
    const loaded = input.loadWhole(offset);
    const { scanner } = input;
    const end = scanner.scan(0, loaded, sequence);
    if (scanner.records > 0) sequence = scanner.lastSequence + 1;
    offset += scanner.bytes;
    if (scanner.records === 0 || (end !== ScanEnd.end && end !== ScanEnd.partial)) return sequence;
  }
}
