import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A tool of a few lines of shell, gone at the end of its scope. */
export class Tool implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "esc-numa-tool-"));
  readonly path = join(this.#folder, "tool");

  constructor(script: string) {
    writeFileSync(this.path, `#!/bin/sh\n${script}\n`);
    chmodSync(this.path, 0o755);
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true });
  }
}
