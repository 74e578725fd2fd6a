/** Handler modules for tests of a real server, and what they wrote. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A folder with a handler module, a configuration that names it, and a file that handlers note lines in. */
export class HandlerFolder {
  readonly args: readonly string[];
  readonly #out: string;

  /**
   * @param source the module; `note(text)` in it appends a line.
   * @param yaml further keys of the configuration.
   */
  constructor(dir: string, source: string, yaml = "") {
    mkdirSync(dir, { recursive: true });
    this.#out = join(dir, "notes.txt");
    const head = `import { appendFileSync } from "node:fs";
const note = (text) => appendFileSync(${JSON.stringify(this.#out)}, text + "\\n");
`;
    writeFileSync(join(dir, "handler.mjs"), head + source);
    writeFileSync(join(dir, "esc.yaml"), `handlers: [./handler.mjs]\n${yaml}`);
    this.args = ["--config", join(dir, "esc.yaml")];
  }

  /** The lines noted so far. */
  notes(): string[] {
    if (!existsSync(this.#out)) return [];
    return readFileSync(this.#out, "utf8").split("\n").slice(0, -1);
  }
}
