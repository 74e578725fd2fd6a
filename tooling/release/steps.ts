/** The rehearsal's steps: a line for each, with how long it took and what there is to say, and a count at the end. */
export class Steps {
  readonly #stop: AbortSignal;
  #ok = 0;
  #failed = 0;
  readonly #started = performance.now();
  /** The error that a line was last written about. */
  #told: unknown;

  /** @param stop ends the rehearsal: a step that fails after it is one that was stopped. */
  constructor(stop: AbortSignal) {
    this.#stop = stop;
  }

  get failed(): number {
    return this.#failed;
  }

  get summary(): string {
    const seconds = ((performance.now() - this.#started) / 1_000).toFixed(0);
    const stopped = this.#stop.aborted ? ", stopped before its end" : "";
    const verdict = this.#failed === 0 ? "could be released" : "must not be released";
    return `rehearsal: ${this.#ok} ok, ${this.#failed} FAILED${stopped}, ${seconds} s: this tree ${verdict}`;
  }

  /** A step that the others need. A text that it returns is shown. @throws what it throws, after the line. */
  async need<T>(name: string, work: () => T | Promise<T>): Promise<T> {
    this.#stop.throwIfAborted();
    return await this.#step(name, work);
  }

  /** A step that finds something out: the others go on when it fails. @throws once the rehearsal is stopped. */
  async check(name: string, work: () => string | undefined | Promise<string | undefined>): Promise<void> {
    this.#stop.throwIfAborted();
    await this.#step(name, work).catch((error) => {
      if (this.#stop.aborted) throw error;
    });
  }

  /** The rehearsal ends here: says why, unless the step that failed has. */
  giveUp(error: unknown): void {
    if (error !== this.#told) this.#fail("go on", error);
  }

  /** A step at the end, which takes place whatever happened. */
  async cleanUp(name: string, work: () => void | Promise<void>): Promise<void> {
    await this.#step(name, work).catch(() => undefined);
  }

  async #step<T>(name: string, work: () => T | Promise<T>): Promise<T> {
    const started = performance.now();
    const seconds = () => `${((performance.now() - started) / 1_000).toFixed(1)} s`;
    try {
      const result = await work();
      this.#ok++;
      const said = typeof result === "string" ? `, ${indented(result)}` : "";
      process.stdout.write(`ok      ${name} (${seconds()}${said})\n`);
      return result;
    } catch (error) {
      this.#fail(`${name} (${seconds()})`, error);
      throw error;
    }
  }

  #fail(what: string, error: unknown): void {
    this.#failed++;
    this.#told = error;
    const text = error instanceof Error ? error.message : String(error);
    process.stdout.write(`FAILED  ${what}\n        ${indented(text.trimEnd())}\n`);
  }
}

function indented(text: string): string {
  return text.replaceAll("\n", "\n        ");
}
