/** How far a lane has come, for who measures how long that took. Told per run or every few records, never per event. */

export interface LaneStages {
  /** Everything before a position is taken from the ring; its handlers are called next. */
  taken(position: number): void;
  /** Everything before a position is handled: counted, or its handlers have returned. A promise may be under way. */
  handled(position: number): void;
  /** Both at once: what has no handler is handled as it is taken. */
  counted(position: number): void;
  /** Everything before a position was given up. */
  skipped(position: number): void;
}
