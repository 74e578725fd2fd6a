/** A caller's mistake with an arena, or an arena that has no room left. Same shape as `EscError`, which lives above this package. */
export class ArenaError extends Error {
  /** `ESC_ARENA_SIZE`, `ESC_ARENA_EXHAUSTED`, `ESC_ARENA_REGION_EXISTS`, `ESC_ARENA_REGION_UNKNOWN`, `ESC_ARENA_HANDLE` `ESC_ARENA_REGION_NAME`, `ESC_VIEW_RANGE` or `ESC_KERNEL_ABORT`. */
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = "ArenaError";
    this.code = code;
  }
}
