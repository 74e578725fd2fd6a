/** How a worker tells why it could not start. */
import type { MessagePort } from "node:worker_threads";
import type { WorkerMessage } from "./messages.ts";

/** Runs a worker's start; a failure becomes a message with a code, for the main thread to show. */
export async function startWorker(port: MessagePort, start: () => Promise<void> | void): Promise<void> {
  try {
    await start();
  } catch (error) {
    // What is thrown may be anything, as by `throw null`.
    const { code = "ESC_WORKER_FAILED", message } = (
      error instanceof Error ? error : new Error(String(error))
    ) as NodeJS.ErrnoException;
    port.postMessage({ type: "failed", code, message } satisfies WorkerMessage);
  }
}
