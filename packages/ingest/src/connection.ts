/**
 * One TCP connection: bytes in, records out, answers back. Its socket is only something that can be written to, paused
 * and ended, so that every way a client can behave is tested without one too.
 */
import { AnswerKind, encodeAnswer, refusalText } from "@esc/events";
import type { CarryBuffers } from "./carry-buffers.ts";
import { type FrameScanner, type InputArea, ScanStatus } from "./frame-scanner.ts";
import type { LaneGate } from "./lane-gate.ts";
import type { PartialFrame, PartialFrames } from "./partial-frames.ts";
import { PendingAcks } from "./pending-acks.ts";

/** What a connection needs of its socket. */
export interface ConnectionSocket {
  /** Takes bytes to send; false when more than is good wait already. */
  write(bytes: Uint8Array): boolean;
  /** Bytes that wait to be sent. */
  readonly waitingBytes: number;
  /** Sends what waits, then ends. */
  end(): void;
  /** As {@link end}, for a client that may still be sending: its bytes are read and thrown away for a while. */
  cutOff(): void;
  /** Ends at once, with a reset: how a client that gets no answers sees that not all of what it sent was taken. */
  reset(): void;
  pause(): void;
  resume(): void;
}

export interface ConnectionOptions {
  readonly socket: ConnectionSocket;
  readonly scanner: FrameScanner;
  readonly input: InputArea;
  readonly gate: LaneGate;
  /** Answers that may wait for a client that doesn't read them, in bytes; then its frames aren't read either. */
  readonly answerBytes: number;
  /** What all connections hold of unfinished frames. */
  readonly partials: PartialFrames;
  /** Where what waits for a lane gets its memory, once it is more than every connection has. */
  readonly carries: CarryBuffers;
  /** Milliseconds from any start, never going back. */
  readonly now: () => number;
}

/** Small enough for ten thousand connections, large enough for what is left of usual frames. */
const CARRY_BYTES = 1_024;
/** A carry that grew beyond this goes to the thread's spares when it is empty. */
const KEEP_CARRY_BYTES = 16_384;

const NOTHING = Buffer.alloc(0);

export class Connection implements PartialFrame {
  readonly #socket: ConnectionSocket;
  readonly #scanner: FrameScanner;
  readonly #input: InputArea;
  readonly #gate: LaneGate;
  readonly #answerBytes: number;
  readonly #partials: PartialFrames;
  readonly #carries: CarryBuffers;
  readonly #now: () => number;
  readonly #pending = new PendingAcks();
  readonly #small = Buffer.allocUnsafeSlow(CARRY_BYTES);
  #carry = this.#small;
  #carried = 0;
  /** Bytes that the frame at the carry's start has in all; 0 when that isn't known yet. */
  #frameBytes = 0;
  #frames = 0;
  /** The unfinished frame's number, its time and the bytes that were said to be held for it; 0 for no frame. */
  #partialFrame = 0;
  #partialSince = 0;
  #heldBytes = 0;
  /** Position behind this connection's last record so far in each lane, -1 without one: what an acknowledgement covers. */
  #realtimeEnd = -1;
  #transactionalEnd = -1;
  #batchEnd = -1;
  #asked = false;
  #blocked = false;
  #choked = false;
  #ended = false;
  #cut = false;
  #finished = false;

  constructor(options: ConnectionOptions) {
    this.#socket = options.socket;
    this.#scanner = options.scanner;
    this.#input = options.input;
    this.#gate = options.gate;
    this.#answerBytes = options.answerBytes;
    this.#partials = options.partials;
    this.#carries = options.carries;
    this.#now = options.now;
  }

  /** Whether a lane is full and what was read must wait. */
  get blocked(): boolean {
    return this.#blocked;
  }

  /** Whether an acknowledgement is owed. */
  get owesAck(): boolean {
    return !this.#pending.empty;
  }

  /** Whether a frame has begun and not ended. */
  get midFrame(): boolean {
    return this.#carried > 0 && !this.#blocked;
  }

  /**
   * Milliseconds since the unfinished frame's first byte, without those in which it was us who read no further; 0 when
   * there is none.
   */
  get frameAgeMs(): number {
    return this.midFrame && !this.#choked ? this.#now() - this.#partialSince : 0;
  }

  /** Whether everything that was read is in the lanes and everything that was owed is written. */
  get settled(): boolean {
    return !this.#blocked && this.#pending.empty;
  }

  /**
   * Takes `length` bytes that the socket has put at the input area's start.
   * @returns whether to go on reading.
   */
  read(length: number): boolean {
    if (this.#cut) return true;
    const { bytes, readStart } = this.#input;
    if (this.#carried > 0) {
      if (this.#blocked || this.#carried + length < this.#frameBytes) {
        this.#keep(readStart, readStart + length);
        this.#account();
        return this.#flowing;
      }
      bytes.set(this.#carry.subarray(0, this.#carried), readStart - this.#carried);
    }
    const start = readStart - this.#carried;
    this.#carried = 0;
    this.#take(start, readStart + length);
    this.#settleNow();
    this.#account();
    return this.#flowing;
  }

  /** The client sends no more. What is owed is still written. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (!this.#blocked) this.#takeCarry();
    this.#finishIfSettled();
    this.#account();
  }

  /** Ends it because of its unfinished frame, which is refused. What is owed is still written. */
  shed(): void {
    this.#cut = true;
    this.end();
  }

  /** There may be space in the lane that blocked. */
  retry(): void {
    if (!this.#blocked) return;
    this.#blocked = false;
    this.#takeCarry();
    if (this.#flowing && !this.#ended) this.#socket.resume();
    this.#finishIfSettled();
    this.#account();
  }

  /** Lanes are durable up to these positions: writes the acknowledgement that is due. */
  settle(realtime: number, transactional: number, batch: number): void {
    const n = this.#pending.settle(realtime, transactional, batch);
    if (n > 0) this.#answer(encodeAnswer(AnswerKind.durable, n));
    this.#finishIfSettled();
  }

  /** The client has read what waited. */
  drained(): void {
    if (!this.#choked) return;
    this.#choked = false;
    this.#partialSince = this.#now();
    if (this.#flowing && !this.#ended) this.#socket.resume();
  }

  get #flowing(): boolean {
    return this.#cut || (!this.#blocked && !this.#choked && !this.#finished);
  }

  #finishIfSettled(): void {
    if (this.#ended && !this.#finished && this.settled) {
      this.#finished = true;
      if (!this.#cut) this.#socket.end();
      else if (this.#asked) this.#socket.cutOff();
      else this.#socket.reset();
    }
  }

  #takeCarry(): void {
    const carried = this.#carried;
    if (carried === 0) return;
    const start = this.#input.readStart - carried;
    this.#input.bytes.set(this.#carry.subarray(0, carried), start);
    this.#carried = 0;
    this.#giveBackCarry();
    this.#take(start, this.#input.readStart);
    this.#settleNow();
  }

  /** What is durable already needs no wake-up. */
  #settleNow(): void {
    if (!this.#pending.empty) this.settle(this.#gate.durable(0), this.#gate.durable(1), this.#gate.durable(2));
  }

  #take(start: number, end: number): void {
    const scanner = this.#scanner;
    let retried = false;
    while (start < end) {
      const status = scanner.scan(start, end, this.#ended);
      start += scanner.taken;
      this.#realtimeEnd = Math.max(this.#realtimeEnd, scanner.laneEnd(0));
      this.#transactionalEnd = Math.max(this.#transactionalEnd, scanner.laneEnd(1));
      this.#batchEnd = Math.max(this.#batchEnd, scanner.laneEnd(2));
      if (scanner.lastAck > 0) this.#asked = true;
      if (scanner.refused > 0 && this.#asked) this.#refuse();
      if (scanner.lastAck > 0) this.#owe();
      this.#frames += scanner.frames;
      if (status === ScanStatus.tooLong) {
        this.#cutOff();
        return;
      }
      if (status === ScanStatus.done) break;
      if (status === ScanStatus.blocked) {
        // Asks to be woken first and looks once more then: space that came in between isn't missed.
        if (retried && scanner.taken === 0) {
          this.#blocked = true;
          break;
        }
        this.#gate.wantSpace(scanner.blockedLane);
        retried = true;
      }
    }
    if (start < end) this.#keep(start, end);
    else this.#giveBackCarry();
    if (this.#blocked) this.#socket.pause();
  }

  /**
   * "All frames up to n": those of earlier reads too, whether they asked or not. They may be in other lanes, and these may
   * be far from their next sync.
   */
  #owe(): void {
    this.#pending.push(this.#frames + this.#scanner.lastAck, this.#realtimeEnd, this.#transactionalEnd, this.#batchEnd);
    this.#gate.awaitDurable(this.#realtimeEnd, this.#transactionalEnd, this.#batchEnd);
  }

  #refuse(): void {
    const scanner = this.#scanner;
    for (let i = 0; i < scanner.refused; i++) {
      const code = scanner.refusedCode(i);
      this.#answer(encodeAnswer(AnswerKind.refused, this.#frames + scanner.refusedFrame(i), code, refusalText(code)));
    }
  }

  /** A length over the limit: where the next frame begins can't be known. */
  #cutOff(): void {
    this.#ended = true;
    this.#cut = true;
    this.#carried = 0;
    this.#replaceCarry(NOTHING);
    this.#finishIfSettled();
  }

  #answer(bytes: Uint8Array): void {
    this.#socket.write(bytes);
    if (this.#socket.waitingBytes > this.#answerBytes && !this.#choked) {
      this.#choked = true;
      this.#socket.pause();
    }
  }

  #giveBackCarry(): void {
    if (this.#carry.length > KEEP_CARRY_BYTES) this.#replaceCarry(this.#small);
  }

  #replaceCarry(by: Buffer<ArrayBuffer>): void {
    if (this.#carry.length > KEEP_CARRY_BYTES) this.#carries.giveBack(this.#carry);
    this.#carry = by;
  }

  #keep(start: number, end: number): void {
    const length = end - start;
    const needed = this.#carried + length;
    if (this.#carried === 0 && needed <= CARRY_BYTES) this.#giveBackCarry();
    if (needed > this.#carry.length) {
      // Doubles, but not beyond the frame that grows: a length that lies costs no more than the bytes that came.
      const bytes = Math.max(needed, Math.min(this.#frameBytes, 2 * needed + CARRY_BYTES));
      // A spare may be up to twice as long, which an unfinished frame would be charged for; what waits for a lane isn't.
      const larger = this.#blocked ? this.#carries.take(bytes) : Buffer.allocUnsafeSlow(bytes);
      this.#carry.copy(larger, 0, 0, this.#carried);
      this.#replaceCarry(larger);
    }
    this.#carry.set(this.#input.bytes.subarray(start, end), this.#carried);
    this.#carried = needed;
    this.#frameBytes = needed >= 4 ? this.#scanner.bytesToScan(this.#carry.readUInt32BE(0)) : 0;
  }

  /** Says what is held for an unfinished frame, where that has changed. Last: it may end this connection. */
  #account(): void {
    const frame = this.midFrame && !this.#ended ? this.#frames + 1 : 0;
    const anew = frame !== this.#partialFrame;
    if (anew && frame !== 0) this.#partialSince = this.#now();
    this.#partialFrame = frame;
    // What every connection has anyway doesn't count.
    const bytes = frame !== 0 && this.#carry.length > CARRY_BYTES ? this.#carry.length : 0;
    if (bytes === this.#heldBytes && (!anew || bytes === 0)) return;
    this.#heldBytes = bytes;
    this.#partials.hold(this, bytes, anew);
  }
}
