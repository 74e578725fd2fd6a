// The frame scanner: one call takes a chunk of the wire and leaves records in the lanes' rings.
//
// First pass: walk the frames, check them, look their topics up, plan which record goes where; write a plan entry for
// each. Then one claim per lane. Second pass: copy, seal and publish. Two passes, because a claim must be exact (what
// is claimed must be filled) and because sequences are part of what the CRC covers.
//
// Context, one for each kind of source in a thread:
//
// | offset | size | field |
// |---|---|---|
// | 0 | u32 | address of the CRC tables |
// | 4 | u32 | address of the topic table |
// | 8 | u32 ×2 | address of the plan, entries it takes |
// | 16 | u32 | longest frame |
// | 20 | u32 | source, as records have it |
// | 24 | u32 | address of the counters: 3 accepted by lane, 3 dropped by lane, 16 refused by code, 1 bytes |
// | 28 | u32 ×2 | address of the refusals, entries that a scan may plan with; there is room for the plan's on top |
// | 36 | u32 | 1: a lane whose turn it isn't makes the scan stop, even where its rule is to drop |
// | 64 | u32 | out: status |
// | 68 | u32 | out: bytes taken |
// | 72 | u32 | out: frames taken, refused ones included |
// | 76 | u32 | out: the last frame (from 1) that asks for an acknowledgement, or 0 |
// | 80 | u32 | out: refusals |
// | 84 | u32 | out: the lane that blocks |
// | 88 | f64 ×3 | out: position behind the last record of each lane, or -1 |
// | 128 + 64·l | u32 ×3 | lane l: address of its ring, producer's slot, rule when full |
// | … + 12 | | scratch of a scan: u32 bytes known to be free behind the tail |
// | … + 16 | | u32 records, u32 bytes planned; u64 claim word; u64 tail, where the claim begins |
// | … + 40 | | u32 address of the next record; u32 bytes from there to the ring's end |
// | … + 48 | | u64 sequence of the next record; u32 CRC register behind its stamp (`stampRegister`) |
// | … + 60 | u32 | address of the lane's latency stamps, or 0 |
//
// Plan entry: u32 address of the frame, u32 lane | priority << 8 | frame << 16, u32 topic hash, u32 record length.
// Refusal: u32 frame (from 1 in this call) | lane << 16 where a lane dropped it, u32 code.

import {
  LANES, LANE_BATCH, LANE_REALTIME, LANE_TRANSACTIONAL, FULL_DROP_NEW, FULL_SKIP_OLDEST, laneOf,
} from "@esc/dispatcher/assembly/route";
import { NOT_UTF8, NO_OVERRIDE, resolveTopic } from "@esc/dispatcher/assembly/topic-table";
import { crc32 } from "@esc/events/assembly/crc32";
import {
  CONTROL_ACK, CONTROL_CRC, CONTROL_ID, CONTROL_PRIORITY, CONTROL_RESERVED, FRAME_HEAD_BYTES, FRAME_LENGTH_BYTES,
  PRIORITY_MAX, REFUSED_CONTROL, REFUSED_CRC, REFUSED_LANE_FULL, REFUSED_PRIORITY, REFUSED_SHORT, REFUSED_TOO_LARGE,
  REFUSED_TOPIC_EMPTY, REFUSED_TOPIC_LENGTH, REFUSED_TOPIC_UTF8, REFUSED_TRUNCATED, loadU16BE, loadU32BE,
} from "@esc/events/assembly/frame";
import {
  EVENT_ID_BYTES, FLAG_ID, RECORD_HEADER, copyBytes, padded, zeroPadding,
} from "@esc/events/assembly/record";
import { hashTopic } from "@esc/events/assembly/topic";
import { countUp } from "@esc/metrics/assembly/counter";
import { stampGroup } from "@esc/metrics/assembly/stamps";
import { sealStamped, stampRegister, wrapPadding } from "@esc/queues/assembly/append";
import {
  addressOf, askToSkip, capacity, claimPosition, claimSequence, claimWord, freeBytes, mayClaim, publish, published,
  publishedSequence, tryClaim,
} from "@esc/queues/assembly/ring";

const CRC_TABLE: usize = 0;
const TOPIC_TABLE: usize = 4;
const PLAN: usize = 8;
const PLAN_ENTRIES: usize = 12;
const MAX_FRAME: usize = 16;
const SOURCE: usize = 20;
const COUNTERS: usize = 24;
const REFUSALS: usize = 28;
const REFUSAL_ENTRIES: usize = 32;
const PATIENT: usize = 36;
const STATUS: usize = 64;
const TAKEN: usize = 68;
const FRAMES: usize = 72;
const LAST_ACK: usize = 76;
const REFUSED: usize = 80;
const BLOCKED_LANE: usize = 84;
const ENDS: usize = 88;
const LANE: usize = 128;
const LANE_BYTES: usize = 64;
const RING: usize = 0;
const PRODUCER: usize = 4;
const WHEN_FULL: usize = 8;
const FREE: usize = 12;
const RECORDS: usize = 16;
const BYTES: usize = 20;
const WORD: usize = 24;
const TAIL: usize = 32;
const ADDRESS: usize = 40;
const LEFT: usize = 44;
const SEQUENCE: usize = 48;
const STAMP: usize = 56;
const LATENCY: usize = 60;

const COUNT_ACCEPTED: usize = 0;
const COUNT_DROPPED: usize = 3 * 8;
const COUNT_REFUSED: usize = 6 * 8;
const COUNT_BYTES: usize = 22 * 8;

const PLAN_BYTES: usize = 16;
const REFUSAL_BYTES: usize = 8;

/** Every whole frame was taken. */
const DONE: u32 = 0;
/**
 * A lane is full and its rule says to wait, or it isn't this producer's turn in a lane; the frame that didn't fit is the
 * next one.
 */
const BLOCKED: u32 = 1;
/** The next frame's length is over the limit: there is no telling where the one after it begins. */
const TOO_LONG: u32 = 2;
/** The plan or the refusals are full: call again with what is left. */
const AGAIN: u32 = 3;

// @ts-ignore: decorator
@inline
function lane(context: usize, index: u32): usize {
  return context + LANE + <usize>index * LANE_BYTES;
}

/** Whether the frame at `p`, of which there are `left` bytes, is known to ask for an acknowledgement: its sender is told. */
// @ts-ignore: decorator
@inline
function asks(p: usize, left: u32): bool {
  return left > FRAME_LENGTH_BYTES && (load<u8>(p + FRAME_LENGTH_BYTES) & CONTROL_ACK) != 0;
}

/** Notes a frame that comes into no lane; the caller left room for it. Counted at the end, when it is sure to be taken. */
function refuse(context: usize, frame: u32, code: u32): void {
  const refused = load<u32>(context + REFUSED);
  const entry = <usize>load<u32>(context + REFUSALS) + <usize>refused * REFUSAL_BYTES;
  store<u32>(entry, frame);
  store<u32>(entry, code, 4);
  store<u32>(context + REFUSED, refused + 1);
}

/** Why the frame at `p` (its length is sound) is refused, or 0. */
// @ts-ignore: decorator
@inline
function check(context: usize, p: usize, length: u32): u32 {
  if (length < FRAME_HEAD_BYTES) return REFUSED_SHORT;
  const control = <u32>load<u8>(p + FRAME_LENGTH_BYTES);
  if (control & CONTROL_RESERVED) return REFUSED_CONTROL;
  if ((control & CONTROL_PRIORITY) > PRIORITY_MAX) return REFUSED_PRIORITY;
  const topicLength = loadU16BE(p + 5);
  if (topicLength == 0) return REFUSED_TOPIC_EMPTY;
  const fixed = FRAME_HEAD_BYTES + (control & CONTROL_ID ? EVENT_ID_BYTES : 0) + (control & CONTROL_CRC ? 4 : 0);
  if (fixed + topicLength > length) return REFUSED_TOPIC_LENGTH;
  if (control & CONTROL_CRC) {
    const covered = length - 4;
    const sum = crc32(load<u32>(context + CRC_TABLE), p + FRAME_LENGTH_BYTES, covered);
    if (sum != loadU32BE(p + FRAME_LENGTH_BYTES + covered)) return REFUSED_CRC;
  }
  return 0;
}

/** Looks where a lane's next claim would begin. */
function openLane(at: usize): void {
  const ring = load<u32>(at + RING);
  store<u32>(at + FREE, 0);
  store<u32>(at + RECORDS, 0);
  store<u32>(at + BYTES, 0);
  const publishedAt = published(ring);
  const publishedNext = publishedSequence(ring);
  const word = claimWord(ring);
  store<u64>(at + WORD, word);
  store<u64>(at + TAIL, claimPosition(word, publishedAt));
  store<u64>(at + SEQUENCE, claimSequence(word, publishedNext));
  toTail(at);
}

/** Sets the next record's place to the tail. */
// @ts-ignore: decorator
@inline
function toTail(at: usize): void {
  const ring = load<u32>(at + RING);
  const tail = load<u64>(at + TAIL);
  store<u32>(at + ADDRESS, <u32>addressOf(ring, tail));
  store<u32>(at + LEFT, capacity(ring) - (<u32>tail & (capacity(ring) - 1)));
}

/** Whether `bytes` from the lane's tail on are free; the rings are asked only when what is known doesn't suffice. */
// @ts-ignore: decorator
@inline
function fits(at: usize, bytes: u32): bool {
  return bytes <= load<u32>(at + FREE) || askFits(at, bytes);
}

function askFits(at: usize, bytes: u32): bool {
  const ring = load<u32>(at + RING);
  const producer = load<u32>(at + PRODUCER);
  const free = freeBytes(ring, producer, load<u64>(at + TAIL), bytes);
  if (free < <u64>bytes || (load<u32>(at + RECORDS) == 0 && !mayClaim(ring, producer))) return false;
  store<u32>(at + FREE, <u32>free);
  return true;
}

/**
 * Whether the producer's last claim waits for one of another producer that is being filled: there may be space, but not for
 * this producer. That is over within microseconds, unless the other's thread isn't running, so it is no reason to drop.
 */
function outOfTurn(at: usize): bool {
  return load<u32>(at + RECORDS) == 0 && !mayClaim(load<u32>(at + RING), load<u32>(at + PRODUCER));
}

/** Position behind the lane's claim. */
// @ts-ignore: decorator
@inline
function claimEnd(at: usize): u64 {
  return load<u64>(at + TAIL) + <u64>load<u32>(at + BYTES);
}

/** Claims what the plan holds for a lane; false when another producer claimed first. */
// @ts-ignore: decorator
@inline
function claimLane(at: usize): bool {
  if (load<u32>(at + RECORDS) == 0) return true;
  const records = load<u32>(at + RECORDS);
  const next = load<u64>(at + SEQUENCE) + <u64>records;
  return tryClaim(
    load<u32>(at + RING), load<u32>(at + PRODUCER), load<u64>(at + WORD), load<u64>(at + TAIL), load<u32>(at + BYTES), records, next,
  );
}

/**
 * Plans a lane's entries once more, behind the claim of a producer that was faster, and claims those that fit now.
 * Returns the index of the first entry that doesn't, or `planned`. Only several producers come here.
 */
function replanLane(context: usize, index: u32, planned: u32): u32 {
  const at = lane(context, index);
  const plan = <usize>load<u32>(context + PLAN);
  const ring = load<u32>(at + RING);
  let first = planned;
  do {
    openLane(at);
    first = planned;
    for (let i: u32 = 0; i < planned; i++) {
      const entry = plan + <usize>i * PLAN_BYTES;
      if ((load<u32>(entry, 4) & 0xff) != index) continue;
      const size = padded(load<u32>(entry, 12));
      const before = load<u32>(at + BYTES);
      const bytes = before + wrapPadding(ring, load<u64>(at + TAIL) + before, size) + size;
      if (!fits(at, bytes)) {
        first = i;
        break;
      }
      store<u32>(at + BYTES, bytes);
      store<u32>(at + RECORDS, load<u32>(at + RECORDS) + 1);
    }
  } while (!claimLane(at));
  return first;
}

/**
 * Drops a lane's entries from `first` on: other lanes have claimed, so the scan can't stop before them. They are refused,
 * so that an acknowledgement of later frames doesn't speak for them; `countRefusals` counts them.
 */
function dropEntries(context: usize, index: u32, first: u32, planned: u32): void {
  const plan = <usize>load<u32>(context + PLAN);
  for (let i: u32 = first; i < planned; i++) {
    const entry = plan + <usize>i * PLAN_BYTES;
    if ((load<u32>(entry, 4) & 0xff) != index) continue;
    const frame = load<u32>(entry, 4) >>> 16;
    refuse(context, frame | (index << 16), REFUSED_LANE_FULL);
    store<u32>(entry, LANES | (frame << 16), 4);
  }
}

/** Takes the entries from `first` on out of the plan of every lane that hasn't claimed: the scan ends before them. */
function cutPlan(context: usize, first: u32, planned: u32): void {
  const plan = <usize>load<u32>(context + PLAN);
  for (let i: u32 = 0; i < LANES; i++) {
    if (i == LANE_TRANSACTIONAL) continue;
    const at = lane(context, i);
    store<u32>(at + RECORDS, 0);
    store<u32>(at + BYTES, 0);
  }
  for (let i: u32 = 0; i < first; i++) {
    const entry = plan + <usize>i * PLAN_BYTES;
    const index = load<u32>(entry, 4) & 0xff;
    if (index == LANE_TRANSACTIONAL) continue;
    const at = lane(context, index);
    const size = padded(load<u32>(entry, 12));
    const before = load<u32>(at + BYTES);
    store<u32>(at + BYTES, before + wrapPadding(load<u32>(at + RING), load<u64>(at + TAIL) + before, size) + size);
    store<u32>(at + RECORDS, load<u32>(at + RECORDS) + 1);
  }
}

/**
 * Takes the whole frames of [p, end). `whole` says that nothing follows (a datagram, or the end of a connection), so
 * that a part of a frame at the end is refused. Returns the status; what else there is to tell stands in the context.
 */
export function scan(context: usize, p: usize, end: usize, whole: bool, timeMs: f64, timeNs: f64, receivedNs: f64): u32 {
  const start = p;
  let planned: u32 = 0;
  let frames: u32 = 0;
  let lastAck: u32 = 0;
  let status: u32 = DONE;
  const plan = <usize>load<u32>(context + PLAN);
  const planEntries = load<u32>(context + PLAN_ENTRIES);
  const refusalEntries = load<u32>(context + REFUSAL_ENTRIES);
  const maxFrame = load<u32>(context + MAX_FRAME);
  const topics = <usize>load<u32>(context + TOPIC_TABLE);
  const counters = <usize>load<u32>(context + COUNTERS);
  store<u32>(context + REFUSED, 0);
  for (let i: u32 = 0; i < LANES; i++) openLane(lane(context, i));

  while (p < end) {
    if (planned == planEntries || load<u32>(context + REFUSED) == refusalEntries) {
      status = AGAIN;
      break;
    }
    const left = <u32>(end - p);
    if (left < FRAME_LENGTH_BYTES) {
      if (!whole) break;
      frames++;
      refuse(context, frames, REFUSED_TRUNCATED);
      p = end;
      break;
    }
    const length = loadU32BE(p);
    if (length > maxFrame) {
      if (left == FRAME_LENGTH_BYTES && !whole) break;
      frames++;
      refuse(context, frames, REFUSED_TOO_LARGE);
      if (asks(p, left)) lastAck = frames;
      status = TOO_LONG;
      p = end;
      break;
    }
    if (left - FRAME_LENGTH_BYTES < length) {
      if (!whole) break;
      frames++;
      refuse(context, frames, REFUSED_TRUNCATED);
      if (asks(p, left)) lastAck = frames;
      p = end;
      break;
    }
    const next = p + FRAME_LENGTH_BYTES + length;
    let code = check(context, p, length);
    const control = <u32>load<u8>(p + FRAME_LENGTH_BYTES);
    if (code == 0) {
      const idBytes = control & CONTROL_ID ? EVENT_ID_BYTES : 0;
      const topic = p + 7 + idBytes;
      const topicLength = loadU16BE(p + 5);
      const hash = hashTopic(topic, topicLength);
      const found = resolveTopic(topics, topic, topicLength, hash);
      if (found == NOT_UTF8) {
        code = REFUSED_TOPIC_UTF8;
      } else {
        const priority = found == NO_OVERRIDE ? control & CONTROL_PRIORITY : found;
        const index = laneOf(priority);
        const at = lane(context, index);
        const recordLength = RECORD_HEADER + length - FRAME_HEAD_BYTES - (control & CONTROL_CRC ? 4 : 0);
        const size = padded(recordLength);
        const left = load<u32>(at + LEFT);
        const wraps = size > left;
        const bytes = load<u32>(at + BYTES) + (wraps ? left : 0) + size;
        if (fits(at, bytes)) {
          store<u32>(at + LEFT, (wraps ? capacity(load<u32>(at + RING)) : left) - size);
          store<u32>(at + BYTES, bytes);
          store<u32>(at + RECORDS, load<u32>(at + RECORDS) + 1);
          const entry = plan + <usize>planned * PLAN_BYTES;
          store<u32>(entry, <u32>p);
          store<u32>(entry, index | (priority << 8) | ((frames + 1) << 16), 4);
          store<u32>(entry, hash, 8);
          store<u32>(entry, recordLength, 12);
          planned++;
        } else if (load<u32>(context + PATIENT) != 0 && outOfTurn(at)) {
          store<u32>(context + BLOCKED_LANE, index);
          status = BLOCKED;
          break;
        } else if (load<u32>(at + WHEN_FULL) == FULL_DROP_NEW) {
          refuse(context, (frames + 1) | (index << 16), REFUSED_LANE_FULL);
        } else {
          if (load<u32>(at + WHEN_FULL) == FULL_SKIP_OLDEST) {
            // A quarter of the ring at once, so that the next frames don't have to ask again.
            const ring = load<u32>(at + RING);
            const size = <u64>capacity(ring);
            const tail = load<u64>(at + TAIL) + bytes;
            askToSkip(ring, tail + (size >> 2) > size ? tail + (size >> 2) - size : 0);
          }
          store<u32>(context + BLOCKED_LANE, index);
          status = BLOCKED;
          break;
        }
      }
    }
    frames++;
    if (code != 0) refuse(context, frames, code);
    if (control & CONTROL_ACK && length > 0) lastAck = frames;
    p = next;
  }

  if (planned > 0) {
    const kept = claimLanes(context, planned);
    if (kept < planned) {
      const entry = plan + <usize>kept * PLAN_BYTES;
      p = load<u32>(entry);
      frames = (load<u32>(entry, 4) >>> 16) - 1;
      lastAck = lastAskBefore(plan, kept);
      store<u32>(context + BLOCKED_LANE, LANE_TRANSACTIONAL);
      status = BLOCKED;
    }
    fill(context, kept, <u64>timeMs * 1_000_000 + <u64>timeNs, receivedNs);
  }
  for (let i: u32 = 0; i < LANES; i++) {
    const at = lane(context, i);
    store<f64>(context + ENDS + (<usize>i << 3), load<u32>(at + RECORDS) > 0 ? <f64>claimEnd(at) : -1);
  }
  countRefusals(context, frames);
  countUp(counters + COUNT_BYTES, <u64>(p - start));
  store<u32>(context + TAKEN, <u32>(p - start));
  store<u32>(context + FRAMES, frames);
  store<u32>(context + LAST_ACK, lastAck);
  store<u32>(context + STATUS, status);
  return status;
}

/** The last frame before a plan's entry that is in a lane and asks for an acknowledgement. */
function lastAskBefore(plan: usize, kept: u32): u32 {
  for (let i = kept; i > 0; i--) {
    const entry = plan + <usize>(i - 1) * PLAN_BYTES;
    if (load<u8>(load<u32>(entry), 4) & CONTROL_ACK) return load<u32>(entry, 4) >>> 16;
  }
  return 0;
}

/** Counts the refusals up to `frames`, and forgets those behind: the scan ended before their frames. */
function countRefusals(context: usize, frames: u32): void {
  const counters = <usize>load<u32>(context + COUNTERS);
  const refusals = <usize>load<u32>(context + REFUSALS);
  const noted = load<u32>(context + REFUSED);
  let kept: u32 = 0;
  for (let i: u32 = 0; i < noted; i++) {
    const from = refusals + <usize>i * REFUSAL_BYTES;
    const frame = load<u32>(from);
    // Not in the frames' order: what a lane dropped at its claim comes last.
    if ((frame & 0xffff) > frames) continue;
    const code = load<u32>(from, 4);
    const entry = refusals + <usize>kept * REFUSAL_BYTES;
    kept++;
    store<u32>(entry, frame);
    store<u32>(entry, code, 4);
    if (code == REFUSED_LANE_FULL) {
      const index = <usize>(frame >>> 16) << 3;
      countUp(counters + COUNT_ACCEPTED + index, 1);
      countUp(counters + COUNT_DROPPED + index, 1);
      store<u32>(entry, frame & 0xffff);
    } else {
      countUp(counters + COUNT_REFUSED + (<usize>code << 3), 1);
    }
  }
  store<u32>(context + REFUSED, kept);
}

/**
 * Claims every lane's part of the plan. Returns how many entries of the plan are to be filled: fewer than planned when
 * the transactional lane, which may not drop, got full meanwhile. It claims first, so nothing else is claimed by then.
 */
function claimLanes(context: usize, planned: u32): u32 {
  let kept = planned;
  if (!claimLane(lane(context, LANE_TRANSACTIONAL))) {
    kept = replanLane(context, LANE_TRANSACTIONAL, planned);
    if (kept < planned) {
      if (load<u32>(lane(context, LANE_TRANSACTIONAL) + WHEN_FULL) == FULL_DROP_NEW) {
        dropEntries(context, LANE_TRANSACTIONAL, kept, planned);
        kept = planned;
      } else {
        cutPlan(context, kept, planned);
      }
    }
  }
  for (let i: u32 = 0; i < 2; i++) {
    const index = i == 0 ? LANE_REALTIME : LANE_BATCH;
    if (claimLane(lane(context, index))) continue;
    const first = replanLane(context, index, kept);
    if (first < kept) dropEntries(context, index, first, kept);
  }
  return kept;
}

/** Copies, seals and publishes what the plan holds and every lane has claimed. */
function fill(context: usize, planned: u32, timeNs: u64, receivedNs: f64): void {
  const plan = <usize>load<u32>(context + PLAN);
  const crcTable = <usize>load<u32>(context + CRC_TABLE);
  const source = load<u32>(context + SOURCE);
  for (let i: u32 = 0; i < LANES; i++) {
    const at = lane(context, i);
    toTail(at); // the plan has moved it
    store<u32>(at + STAMP, stampRegister(load<u64>(at + SEQUENCE), timeNs, crcTable));
  }
  for (let i: u32 = 0; i < planned; i++) {
    const entry = plan + <usize>i * PLAN_BYTES;
    const frame = <usize>load<u32>(entry);
    const info = load<u32>(entry, 4);
    const recordLength = load<u32>(entry, 12);
    if ((info & 0xff) == LANES) continue;
    const at = lane(context, info & 0xff);
    const size = padded(recordLength);
    let record = <usize>load<u32>(at + ADDRESS);
    let left = load<u32>(at + LEFT);
    if (size > left) {
      const ring = load<u32>(at + RING);
      if (left > 0) store<u32>(record, 0);
      record = addressOf(ring, 0);
      left = capacity(ring);
    }
    store<u32>(at + ADDRESS, <u32>record + size);
    store<u32>(at + LEFT, left - size);
    zeroPadding(record, recordLength);
    copyBytes(record + RECORD_HEADER, frame + 7, recordLength - RECORD_HEADER);
    const sequence = load<u64>(at + SEQUENCE);
    const flags = source | (load<u8>(frame + FRAME_LENGTH_BYTES) & CONTROL_ID ? FLAG_ID : 0);
    if ((<u32>sequence & 255) == 0) store<u32>(at + STAMP, stampRegister(sequence, timeNs, crcTable));
    sealStamped(
      record, recordLength, load<u32>(at + STAMP), sequence, timeNs, load<u32>(entry, 8), loadU16BE(frame + 5), (info >> 8) & 0xff, flags,
      crcTable,
    );
    store<u64>(at + SEQUENCE, sequence + 1);
  }
  const counters = <usize>load<u32>(context + COUNTERS);
  for (let i: u32 = 0; i < LANES; i++) {
    const at = lane(context, i);
    const records = load<u32>(at + RECORDS);
    if (records == 0) continue;
    // Counted before anybody can see them: what is processed is never more than what was accepted.
    countUp(counters + COUNT_ACCEPTED + (<usize>i << 3), records);
    const stamps = <usize>load<u32>(at + LATENCY);
    if (stamps != 0) stampGroup(stamps, <f64>claimEnd(at), receivedNs, records);
    publish(load<u32>(at + RING), load<u32>(at + PRODUCER), load<u64>(at + TAIL), claimEnd(at), load<u64>(at + SEQUENCE));
  }
}
