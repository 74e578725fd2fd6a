/** The file system as a log uses it: an interface, so that tests can make writes short, fail or tear. */
import fs from "node:fs";
import { dirname } from "node:path";

export interface LogFs {
  /** Opens a file that is there for writing; returns the descriptor. */
  open(path: string): number;
  /** Makes a file and opens it for writing; one that is there already must be empty. */
  create(path: string): number;
  /** Writes some of the bytes at a position; returns how many. */
  write(fd: number, bytes: Uint8Array, offset: number, length: number, position: number): number;
  /** Bytes of data to stable storage, and the size with them. */
  datasync(fd: number): void;
  truncate(fd: number, length: number): void;
  close(fd: number): void;
  /** Puts a file in the place of another, if there is one. */
  rename(from: string, to: string): void;
  /** Takes a file away; one that isn't there is none to take away. */
  remove(path: string): void;
  /** Makes names in a folder stable. */
  syncDirectory(dir: string): void;
}

/** The real one. Synchronous: its only caller is a thread that does nothing else. */
export const nodeFs: LogFs = {
  open: (path) => fs.openSync(path, fs.constants.O_RDWR),
  create: (path) => {
    const fd = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o640);
    if (fs.fstatSync(fd).size === 0) return fd;
    fs.closeSync(fd);
    throw new Error(`${path} is there already, and not empty`);
  },
  write: (fd, bytes, offset, length, position) => fs.writeSync(fd, bytes, offset, length, position),
  datasync: (fd) => fs.fdatasyncSync(fd),
  truncate: (fd, length) => fs.ftruncateSync(fd, length),
  close: (fd) => fs.closeSync(fd),
  rename: (from, to) => fs.renameSync(from, to),
  remove: (path) => fs.rmSync(path, { force: true }),
  syncDirectory: (dir) => {
    const fd = fs.openSync(dir, "r");
    try {
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  },
};

/** Writes a small file whole; with `durably` it is there after a crash, or what it replaces is. */
export function writeWhole(files: LogFs, path: string, bytes: Uint8Array, durably: boolean): void {
  const beside = `${path}.new`;
  files.remove(beside);
  const fd = files.create(beside);
  try {
    for (let at = 0; at < bytes.length; ) {
      const written = files.write(fd, bytes, at, bytes.length - at, at);
      if (written <= 0) throw new Error("the system wrote no byte");
      at += written;
    }
    if (durably) files.datasync(fd);
  } finally {
    files.close(fd);
  }
  files.rename(beside, path);
  if (durably) files.syncDirectory(dirname(path));
}

/**
 * Makes a folder and all above it, and their names stable. Step by step: Node's own recursion never ends where a folder
 * that is there takes no entries and says ENOENT, as /proc does.
 * @throws the system's error.
 */
export function makeDirectory(dir: string): void {
  if (isDirectory(dir)) return;
  const parent = dirname(dir);
  if (parent !== dir) makeDirectory(parent);
  try {
    fs.mkdirSync(dir);
  } catch (error) {
    // Another process was faster.
    if ((error as NodeJS.ErrnoException).code !== "EEXIST" || !isDirectory(dir)) throw error;
  }
  nodeFs.syncDirectory(parent);
}

function isDirectory(path: string): boolean {
  return fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
