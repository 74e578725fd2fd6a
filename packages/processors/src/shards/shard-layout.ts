/**
 * How a lane is divided between the threads of its processor, and what becomes of what they know when that changes.
 *
 * A lane of one shard that never had another number has its files under its own name, `cursors/<lane>` and
 * `checkpoints/<lane>`. Every other division is a generation: its shards' files are `<lane>.<generation>.<shard>`, and
 * `checkpoints/<lane>.shards` says which generation counts, where its shards begin, and what the shards before had done.
 * That one file is written beside and renamed: a crash leaves the old division with its files, or the new one.
 */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { EscError } from "@esc/events";
import { shareOf } from "@esc/queues";
import { CursorFile, cursorFile, logDirectory } from "@esc/storage";
import type { Pending } from "../delay/delay-schedule.ts";
import { type Checkpoint, CheckpointFile, encodeCheckpoint, isPlain, resumeFrom } from "../lane/checkpoint-file.ts";
import { readSequences } from "../lane/log-events.ts";
import { horizonOf, type PastLayout, PastLayouts, type PastShard, type Sharding } from "./past-layouts.ts";

/** Windows that a shard left. */
export type LeftWindows = Pick<Checkpoint, "windows" | "closed">;

/** What a shard begins with that has saved nothing of its own yet. */
interface ShardStart {
  readonly delayed: readonly Pending[];
  readonly inherited: readonly LeftWindows[];
}

/** The file `checkpoints/<lane>.shards`. */
interface ShardLayout extends Sharding {
  readonly generation: number;
  /** Where its shards begin. */
  readonly cursor: number;
  /** By shard. */
  readonly starts: readonly ShardStart[];
  readonly past: readonly PastLayout[];
}

/** Where a shard goes on. */
export interface ShardResume {
  /** The name of its files in `cursors/` and `checkpoints/`. */
  readonly file: string;
  readonly checkpoint: Checkpoint;
  readonly inherited: readonly LeftWindows[];
}

/** Where a lane's shards go on. */
export interface LaneShards extends Sharding {
  /** By shard. */
  readonly resumes: readonly ShardResume[];
  /** What shards of other divisions had done, as long as that matters. */
  readonly past: PastLayouts | undefined;
}

export interface ShardFilesOptions {
  readonly dataDir: string;
  readonly lane: string;
  /** Told what is broken on disk, for people. */
  readonly onError: (message: string) => void;
}

/** Divisions that may be behind one that isn't settled: each stays until all shards have passed what its own had taken. */
const MOST_PAST = 16;
const PLAIN: ShardLayout = { generation: 0, shards: 1, by: "hash", cursor: 1, starts: [], past: [] };

/** Where the lane's shards are, as the files say it. Changes nothing. */
export async function readShards(options: ShardFilesOptions): Promise<LaneShards> {
  const { layout } = await readLayout(options);
  return laneShards(layout, await readSaved(options, layout), options.lane);
}

/**
 * Divides the lane as asked: everything that was finished stays finished, everything else comes to the shard that it belongs
 * to now. Under the data directory's lock, before the lane takes anything. Durable when it resolves.
 * @param to the log's next sequence: what the files say of later ones is about events that the log has lost.
 * @throws EscError `ESC_SHARDS_UNSETTLED` when the division was changed too often while events were left over.
 */
export async function openShards(options: ShardFilesOptions, wanted: Sharding, to: number): Promise<LaneShards> {
  const { lane } = options;
  const read = await readLayout(options);
  let layout = cutAt(read.layout, to);
  let saved = await readSaved(options, layout);
  // Before events get these sequences anew: else they would count as finished at the next start.
  if (layout !== read.layout || read.broken) await writeLayout(options, layout);
  saved = saved.map((shard) => ({ ...shard, checkpoint: shard.checkpoint && cutCheckpoint(shard.checkpoint, to) }));
  if (layout.shards !== wanted.shards || (layout.by !== wanted.by && wanted.shards > 1)) {
    layout = divide(options, layout, saved, wanted);
    if (layout.past.length > MOST_PAST) {
      throw new EscError(
        "ESC_SHARDS_UNSETTLED",
        `${lane}: router.shards was changed ${MOST_PAST} times while events were left over. Start with the number of the last start, and let the lane catch up.`,
      );
    }
    await writeLayout(options, layout);
    saved = layout.starts.map(() => ({ checkpoint: undefined }));
    await writeCursors(options, layout);
  }
  await removeOthers(options, layout);
  return laneShards(layout, saved, lane);
}

/** A shard's own word; undefined when it has saved nothing that can be read. */
interface Saved {
  readonly checkpoint: Checkpoint | undefined;
}

function laneShards(layout: ShardLayout, saved: readonly Saved[], lane: string): LaneShards {
  const { shards, by, cursor, starts } = layout;
  const resumes = saved.map(({ checkpoint }, shard): ShardResume => {
    const { delayed = [], inherited = [] } = starts[shard] ?? {};
    const start = { cursor, finished: [], delayed, windowsNext: cursor, windows: {}, closed: [] };
    return {
      file: fileOf(lane, layout, shard),
      checkpoint: checkpoint ?? start,
      inherited: checkpoint ? [] : inherited,
    };
  });
  const least = Math.min(...resumes.map(({ checkpoint }) => checkpoint.cursor));
  const past = layout.past.filter((one) => horizonOf(one) > least);
  return { shards, by, resumes, past: past.length === 0 ? undefined : new PastLayouts(past) };
}

/** The division that follows another: where its shards begin, and what is to be kept of those before. */
function divide(options: ShardFilesOptions, old: ShardLayout, saved: readonly Saved[], wanted: Sharding): ShardLayout {
  const { lane, dataDir, onError } = options;
  const { resumes, past } = laneShards(old, saved, lane);
  const parts = resumes.map(
    ({ checkpoint: { cursor, finished, windowsNext } }): PastShard => ({ cursor, finished, windowsNext }),
  );
  const cursor = Math.min(...parts.map((part) => part.cursor));
  const kept = [...(past?.layouts ?? []), { shards: old.shards, by: old.by, parts }];
  const starts = Array.from({ length: wanted.shards }, () => ({
    delayed: [] as Pending[],
    inherited: [] as LeftWindows[],
  }));
  for (const [shard, { checkpoint, inherited }] of resumes.entries()) {
    const { windows, closed } = checkpoint;
    const left = isPlain({ ...checkpoint, finished: [], delayed: [] }) ? [] : [{ windows, closed }];
    starts[shard % wanted.shards]?.inherited.push(...inherited, ...left);
  }
  const delayed = new Map(resumes.flatMap(({ checkpoint }) => checkpoint.delayed));
  const sequences = [...delayed.keys()].sort((a, b) => a - b);
  for (const { sequence, topicHash } of readSequences(logDirectory(dataDir, lane), sequences)) {
    const owner = shareOf(wanted.by, wanted.shards, topicHash, sequence);
    starts[owner]?.delayed.push([sequence, delayed.get(sequence) as number]);
    delayed.delete(sequence);
  }
  for (const sequence of delayed.keys())
    onError(`${lane}: event ${sequence}, which waited for its time, is not in the log any more`);
  return {
    ...{ generation: old.generation + 1, shards: wanted.shards, by: wanted.by, cursor, starts },
    past: kept.filter((layout) => horizonOf(layout) > cursor),
  };
}

/** What a layout says of the log as it is: up to its end. The layout itself when it says no more. */
function cutAt(layout: ShardLayout, to: number): ShardLayout {
  if (layout.cursor <= to && layout.past.every((past) => horizonOf(past) <= to)) return layout;
  const cutShard = (part: PastShard): PastShard => ({
    cursor: Math.min(part.cursor, to),
    windowsNext: Math.min(part.windowsNext, to),
    finished: cutRanges(part.finished, to),
  });
  return {
    ...layout,
    cursor: Math.min(layout.cursor, to),
    past: layout.past.map((past) => ({ ...past, parts: past.parts.map(cutShard) })),
  };
}

function cutCheckpoint(checkpoint: Checkpoint, to: number): Checkpoint {
  const { cursor, finished, windowsNext } = checkpoint;
  return {
    ...checkpoint,
    cursor: Math.min(cursor, to),
    finished: cutRanges(finished, to),
    windowsNext: Math.min(windowsNext, to),
  };
}

function cutRanges(ranges: PastShard["finished"], to: number): [from: number, to: number][] {
  return ranges.flatMap(([from, last]) => (from < to ? [[from, Math.min(last, to - 1)] as [number, number]] : []));
}

async function readSaved(options: ShardFilesOptions, layout: ShardLayout): Promise<Saved[]> {
  const { dataDir, lane, onError } = options;
  const read = async (shard: number): Promise<Saved> => {
    const file = fileOf(lane, layout, shard);
    const cursor = await new CursorFile(cursorFile(dataDir, file)).read();
    const state = await new CheckpointFile(CheckpointFile.pathIn(dataDir, file)).read();
    if (cursor.kind === "broken")
      onError(`${file}: the cursor is broken (${cursor.reason}); its checkpoint decides, or the log's start`);
    if (state.kind === "broken") {
      onError(
        `${file}: the checkpoint is broken (${state.reason}): open windows are lost, and what was finished out of order is handled again`,
      );
    }
    const resume = resumeFrom(state, cursor.kind === "known" ? cursor.nextSequence : undefined);
    if (state.kind === "known" || layout.generation === 0) return { checkpoint: resume };
    // The first save of a shard of a division writes a checkpoint: without one there was none.
    if (state.kind === "new" || cursor.kind !== "known") return { checkpoint: undefined };
    // What waited at the first start may still do.
    const delayed = layout.starts[shard]?.delayed ?? [];
    return { checkpoint: { ...resume, delayed, cursor: Math.max(resume.cursor, layout.cursor) } };
  };
  return await Promise.all(Array.from({ length: layout.shards }, (_, shard) => read(shard)));
}

async function readLayout({
  dataDir,
  lane,
  onError,
}: ShardFilesOptions): Promise<{ layout: ShardLayout; broken: boolean }> {
  const state = await new CheckpointFile<ShardLayout>(layoutPath(dataDir, lane)).read();
  if (state.kind === "known") return { layout: state.checkpoint, broken: false };
  if (state.kind === "new") return { layout: PLAIN, broken: false };
  onError(`${lane}: how it was divided into shards is broken (${state.reason}): all of its log is handled again`);
  // Files of a generation that nobody knows must not be taken for the next one's.
  const names = [...(await namesIn(dataDir, "cursors")), ...(await namesIn(dataDir, "checkpoints"))];
  const generations = names.map((name) => generationOf(name, lane) ?? 0);
  return { layout: { ...PLAIN, generation: Math.max(0, ...generations) + 1 }, broken: true };
}

async function writeLayout({ dataDir, lane }: ShardFilesOptions, layout: ShardLayout): Promise<void> {
  await new CheckpointFile<ShardLayout>(layoutPath(dataDir, lane)).write(encodeCheckpoint(layout));
}

/** What retention goes by until the shards save something themselves. */
async function writeCursors({ dataDir, lane }: ShardFilesOptions, layout: ShardLayout): Promise<void> {
  const write = (shard: number, { delayed }: ShardStart) => {
    const needed = Math.min(layout.cursor, ...delayed.map(([sequence]) => sequence).slice(0, 1));
    return new CursorFile(cursorFile(dataDir, fileOf(lane, layout, shard))).write(needed);
  };
  await Promise.all(layout.starts.map((start, shard) => write(shard, start)));
}

/** Removes files of other generations: they say nothing any more. */
async function removeOthers({ dataDir, lane }: ShardFilesOptions, { generation }: ShardLayout): Promise<void> {
  for (const folder of ["cursors", "checkpoints"]) {
    for (const name of await namesIn(dataDir, folder)) {
      const known = generationOf(name, lane);
      if (known !== undefined && known !== generation) await rm(join(dataDir, folder, name), { force: true });
    }
  }
}

async function namesIn(dataDir: string, folder: string): Promise<string[]> {
  try {
    return await readdir(join(dataDir, folder));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** The generation of a file of the lane's shards; undefined when it is another file. */
function generationOf(name: string, lane: string): number | undefined {
  if (name === lane) return 0;
  const match = name.startsWith(`${lane}.`) ? /^(\d+)\.\d+$/.exec(name.slice(lane.length + 1)) : null;
  return match === null ? undefined : Number(match[1]);
}

function fileOf(lane: string, { generation }: ShardLayout, shard: number): string {
  return generation === 0 ? lane : `${lane}.${generation}.${shard}`;
}

function layoutPath(dataDir: string, lane: string): string {
  return CheckpointFile.pathIn(dataDir, `${lane}.shards`);
}
