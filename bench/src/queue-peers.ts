/**
 * The peers of the queue, pool and deduplicator benches: who there is, and how one is run.
 *
 *     for (const { name, absent } of available()) {
 *       if (absent === undefined) figures.push(...(await runPeer(name, { runs: 5 })));
 *     }
 *
 * A peer's figures bear the names of the cases below, so that they can be put beside ours.
 */
import { checkOptions, type Result, type RunOptions, runDriver } from "./driver-run.ts";
import { missing, type PeerSource, peerCommand } from "./peer-program.ts";

/** What each case does is told in bench/README.md. */
export type PeerCase =
  | "spsc-8B-per-item"
  | "spsc-8B-batch-64"
  | "spsc-8B-batch-256"
  | "spsc-64B-batch-64"
  | "spsc-one-thread-pairs"
  | "mpsc-2p-8B-per-item"
  | "mpsc-2p-8B-batch-64"
  | "mpsc-2p-8B-batch-256"
  | "roundtrip"
  | "pool-pairs"
  | "pool-64-held"
  | "dedup-fill-1M"
  | "dedup-insert-1M"
  | "dedup-hit-1M";

export type PeerName = keyof typeof PEERS;

/** A figure of a peer, summed up. */
export type PeerResult = Result;

export interface PeerOptions extends RunOptions {
  /** One case only; all that the peer has unless given. */
  readonly case?: PeerCase;
}

interface Peer {
  readonly source: PeerSource;
  readonly cases: readonly PeerCase[];
}

const BOOST = "libboost1.81-dev";
const SPSC_ITEMS = ["spsc-8B-per-item", "spsc-8B-batch-64", "spsc-8B-batch-256"] as const;
const MPSC = ["mpsc-2p-8B-per-item", "mpsc-2p-8B-batch-64", "mpsc-2p-8B-batch-256"] as const;
const POOL = ["pool-pairs", "pool-64-held"] as const;
const DEDUP = ["dedup-fill-1M", "dedup-insert-1M", "dedup-hit-1M"] as const;

const cpp = (file: string, cases: readonly PeerCase[], header?: string, debian?: string, pkgConfig?: string): Peer => ({
  source: {
    language: "C++",
    file,
    ...(header === undefined ? {} : { header }),
    ...(debian === undefined ? {} : { debian }),
    ...(pkgConfig === undefined ? {} : { pkgConfig }),
  },
  cases,
});

const PEERS = {
  "boost-spsc": cpp(
    "boost-spsc",
    [...SPSC_ITEMS, "spsc-64B-batch-64", "roundtrip", "spsc-one-thread-pairs"],
    "boost/lockfree/spsc_queue.hpp",
    BOOST,
  ),
  "moodycamel-spsc": cpp(
    "moodycamel-spsc",
    ["spsc-8B-per-item", "roundtrip", "spsc-one-thread-pairs"],
    "readerwriterqueue/readerwriterqueue.h",
    "libreaderwriterqueue-dev",
  ),
  "moodycamel-mpsc": cpp("moodycamel-mpsc", MPSC, "concurrentqueue/concurrentqueue.h", "libconcurrentqueue-dev"),
  disruptor: {
    source: {
      language: "Java",
      file: "DisruptorPeer",
      jar: "/usr/share/java/disruptor.jar",
      debian: "libdisruptor-java",
    },
    cases: [...SPSC_ITEMS, ...MPSC],
  },
  jctools: {
    source: {
      language: "Java",
      file: "JctoolsPeer",
      jar: "/usr/share/java/jctools-core.jar",
      debian: "libjctools-java",
      // Its queues hold references. The default collector's write barrier takes a third off its rates in batches.
      flags: ["-XX:+UseParallelGC"],
    },
    cases: [...SPSC_ITEMS, "spsc-one-thread-pairs", ...MPSC],
  },
  "ringbuf.js": {
    source: { language: "JavaScript", file: "ringbuf" },
    cases: [...SPSC_ITEMS, "spsc-64B-batch-64", "spsc-one-thread-pairs"],
  },
  postMessage: {
    source: { language: "JavaScript", file: "post-message" },
    cases: [...SPSC_ITEMS, "spsc-64B-batch-64", "roundtrip"],
  },
  "plain-free-list": cpp("plain-free-list", POOL),
  "boost-pool": cpp("boost-pool", POOL, "boost/pool/pool.hpp", BOOST),
  "boost-object-pool": cpp("boost-object-pool", POOL, "boost/pool/object_pool.hpp", BOOST),
  "boost-freelist": cpp("boost-freelist", POOL, "boost/lockfree/detail/freelist.hpp", BOOST),
  "std-unordered-set": cpp("std-unordered-set", DEDUP),
  "boost-flat-set": cpp("boost-flat-set", DEDUP, "boost/unordered/unordered_flat_set.hpp", BOOST),
  "absl-flat-set": cpp("absl-flat-set", DEDUP, "absl/container/flat_hash_set.h", "libabsl-dev", "absl_flat_hash_set"),
} satisfies Record<string, Peer>;

/** A peer, and whether it can run here. */
export interface AvailablePeer {
  readonly name: PeerName;
  readonly cases: readonly PeerCase[];
  /** What is missing, as what to do about it ("absent: apt-get install …"); undefined when it can run. */
  readonly absent: string | undefined;
}

/** Every peer, with what it lacks. Takes about a second: it asks the compilers. */
export function available(): AvailablePeer[] {
  return (Object.keys(PEERS) as PeerName[]).map((name) => {
    const { source, cases } = PEERS[name];
    return { name, cases, absent: missing(source) };
  });
}

/**
 * Builds the peer where that is needed, runs each case in a process of its own (what a compiler at run time learned from
 * one case is no help or hindrance in the next) and returns a result per case, three of a latency: p50, p99, p99.9.
 * Rejects when the peer is absent, can't be built, hangs, or gets a wrong result; the message says which. A case takes its
 * warm-up and `runs` × `seconds`.
 */
export async function runPeer(name: PeerName, options: PeerOptions = {}): Promise<PeerResult[]> {
  const { case: only } = options;
  checkOptions(options);
  const { source, cases }: Peer = PEERS[name];
  if (only !== undefined && !cases.includes(only))
    throw new RangeError(`${name} has no case ${only}: ${cases.join(", ")}`);
  const absent = missing(source);
  if (absent !== undefined) throw new Error(`${name} is ${absent}`);
  const command = await peerCommand(source);
  const results: PeerResult[] = [];
  for (const one of only === undefined ? cases : [only])
    results.push(...(await runDriver(name, command, one, options)));
  return results;
}
