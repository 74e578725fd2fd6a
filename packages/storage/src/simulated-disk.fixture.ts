/**
 * A disk that forgets at a crash what no sync has covered: bytes of files, sizes, and names in folders. It works on a real
 * folder, so that everything that reads goes by what a running system would see; `crash` puts the folder into one of
 * the states that a machine without power may leave it in.
 */
import fs from "node:fs";
import { dirname, join } from "node:path";
import { type LogFs, nodeFs } from "./index.ts";

/** A disk keeps or loses a sector whole. */
const SECTOR = 512;

interface Inode {
  current: Buffer;
  durable: Buffer;
}

/** Thrown in the middle of an operation: the process, or the machine, is gone. */
export class PowerLoss extends Error {}

export class SimulatedDisk {
  readonly #dir: string;
  readonly #random: () => number;
  readonly #current = new Map<string, Inode>();
  readonly #durable = new Map<string, Inode>();
  readonly #open = new Map<number, Inode>();
  #operations = Number.POSITIVE_INFINITY;

  /** @param random from 0 to 1. What lies in the folder already is durable. */
  constructor(dir: string, random: () => number) {
    this.#dir = dir;
    this.#random = random;
    fs.mkdirSync(dir, { recursive: true });
    for (const name of fs.readdirSync(dir)) {
      const bytes = fs.readFileSync(join(dir, name));
      const inode = { current: bytes, durable: bytes };
      this.#current.set(join(dir, name), inode);
      this.#durable.set(join(dir, name), inode);
    }
  }

  /** The process ends in the midst of so many operations from now. */
  failAfter(operations: number): void {
    this.#operations = operations;
  }

  readonly fs: LogFs = {
    open: (path) => {
      this.#count();
      const fd = nodeFs.open(path);
      this.#open.set(fd, this.#current.get(path) as Inode);
      return fd;
    },
    create: (path) => {
      this.#count();
      const fd = nodeFs.create(path);
      const inode = this.#current.get(path) ?? { current: Buffer.alloc(0), durable: Buffer.alloc(0) };
      this.#current.set(path, inode);
      this.#open.set(fd, inode);
      return fd;
    },
    write: (fd, bytes, offset, length, position) => {
      const failing = this.#operations <= 1;
      // A write that the end cuts short has got so far.
      const written = failing ? Math.floor(this.#random() * (length + 1)) : length;
      const inode = this.#open.get(fd) as Inode;
      const size = Math.max(inode.current.length, position + written);
      const grown = Buffer.alloc(size);
      inode.current.copy(grown);
      grown.set(bytes.subarray(offset, offset + written), position);
      inode.current = grown;
      if (written > 0) nodeFs.write(fd, bytes, offset, written, position);
      this.#count();
      return written;
    },
    datasync: (fd) => {
      this.#count();
      const inode = this.#open.get(fd) as Inode;
      inode.durable = inode.current;
    },
    truncate: (fd, length) => {
      this.#count();
      nodeFs.truncate(fd, length);
      const inode = this.#open.get(fd) as Inode;
      const cut = Buffer.alloc(length);
      inode.current.copy(cut);
      inode.current = cut;
    },
    close: (fd) => {
      this.#open.delete(fd);
      nodeFs.close(fd);
    },
    rename: (from, to) => {
      this.#count();
      nodeFs.rename(from, to);
      this.#current.set(to, this.#current.get(from) as Inode);
      this.#current.delete(from);
    },
    remove: (path) => {
      this.#count();
      nodeFs.remove(path);
      this.#current.delete(path);
    },
    syncDirectory: (dir) => {
      this.#count();
      for (const path of new Set([...this.#durable.keys(), ...this.#current.keys()])) {
        if (dirname(path) !== dir) continue;
        const inode = this.#current.get(path);
        if (inode === undefined) this.#durable.delete(path);
        else this.#durable.set(path, inode);
      }
    },
  };

  /** Only the process is gone: the system still has all that it was given. */
  endProcess(): void {
    for (const fd of this.#open.keys()) nodeFs.close(fd);
    this.#open.clear();
  }

  /** Leaves the folder as the power's end may: each name and each sector as it was synced, or newer. */
  crash(): void {
    this.endProcess();
    const paths = new Set([...this.#durable.keys(), ...this.#current.keys()]);
    const kept = [...paths].flatMap((path) => {
      const inode = (this.#random() < 0.5 ? this.#durable : this.#current).get(path);
      return inode === undefined ? [] : [[path, this.#afterCrash(inode)] as const];
    });
    fs.rmSync(this.#dir, { recursive: true });
    fs.mkdirSync(this.#dir);
    for (const [path, bytes] of kept) fs.writeFileSync(path, bytes);
  }

  #afterCrash({ current, durable }: Inode): Buffer {
    const size = this.#random() < 0.5 ? durable.length : current.length;
    const bytes = Buffer.alloc(size);
    durable.copy(bytes);
    const chance = this.#random();
    for (let at = 0; at < size; at += SECTOR) {
      if (at < current.length && this.#random() < chance)
        current.copy(bytes, at, at, Math.min(at + SECTOR, current.length));
    }
    return bytes;
  }

  #count(): void {
    if (--this.#operations <= 0) throw new PowerLoss("the power is gone");
  }
}
