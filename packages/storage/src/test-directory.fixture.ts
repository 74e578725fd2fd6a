/**
 * A new folder for a test, in memory where the system has a place for that: most tests make and unmake hundreds of small
 * files, and what they test doesn't depend on what is below the file system.
 */
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const IN_MEMORY = "/dev/shm";

export function testDirectory(name: string): string {
  return mkdtempSync(join(existsSync(IN_MEMORY) ? IN_MEMORY : tmpdir(), `esc-${name}-`));
}
