/** Where `esc send` puts its frames: TCP or UDP. */

/** Sends frames and counts what comes of them. One caller at a time. */
export interface Sender extends AsyncDisposable {
  /**
   * Sends whole frames; resolves when more may follow.
   * @throws EscError `ESC_INTERRUPTED` after {@link interrupt}; otherwise what went wrong on the way.
   */
  write(bytes: Uint8Array, frames: number): Promise<void>;
  /** No more frames follow; resolves when all are on their way and, with acknowledgements, answered. */
  finish(timeoutMs: number): Promise<void>;
  /** Ends a `write` that waits, and every later one. What was written before can still be finished. */
  interrupt(): void;
  readonly counts: SendCounts;
}

export interface SendCounts {
  readonly sent: number;
  readonly bytes: number;
  /** Frames that are as durable as configured. */
  readonly acked: number;
  /** Frames refused, by the refusal's name. */
  readonly refused: ReadonlyMap<string, number>;
}
