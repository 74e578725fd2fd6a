/** A thread that claims and never commits, until it is ended. */
import { parentPort, workerData } from "node:worker_threads";
import { Arena, type ArenaHandle } from "@esc/arena";
import { MpscRing, SpscRing } from "./index.ts";

const { handle } = workerData as { handle: ArenaHandle };
const arena = Arena.attach(handle);
const many = MpscRing.attach(arena, "many");
const producer = many.producer();
many.reader();
producer.offer(Buffer.from("before"));
producer.claimMany(3, 40)?.view(0).setUint32(0, 1);
SpscRing.attach(arena, "one").producer().tryClaim(100);
parentPort?.postMessage("claimed");
setInterval(() => undefined, 1_000);
