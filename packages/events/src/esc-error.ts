/** The one base class of every error that the packages throw or reject with. */

/**
 * An error with a stable, documented `code` (`ESC_…`) and a message that says what to do about it.
 * Back-pressure is never an error; it is a return value.
 *
 * @example
 * try { Arena.create({ bytes: 0 }); } catch (e) { if (e instanceof EscError && e.code === "ESC_ARENA_SIZE") … }
 */
export class EscError extends Error {
  /** Stable identifier of the fault; safe to match on, never translated. */
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}
