/** Plays recorded cases of changing members, one after the other on one configuration. */
import { describeConfig } from "../src/config.ts";
import { ConfChangeRefused } from "../src/errors.ts";
import { enterJoint, leaveJoint, type Membership, simpleChange } from "../src/membership.ts";
import { Tracker } from "../src/tracker.ts";
import { type Case, value } from "./datadriven.ts";
import { describeProgressMap, parseChanges } from "./describe.ts";

export class MemberChanges {
  readonly #tracker = new Tracker(10, 0);
  /** The log grows by an entry with each command, so that a member's `next` tells when it came. */
  #lastIndex = 0;

  /** Runs a command and returns what it prints: the new configuration, or why there is none. */
  run(found: Case): string {
    try {
      const { config, progress } = this.#change(found);
      this.#tracker.use(config, progress);
      return `${describeConfig(config)}\n${describeProgressMap(progress)}`.trimEnd();
    } catch (error) {
      if (error instanceof ConfChangeRefused) return error.message;
      throw error;
    } finally {
      this.#lastIndex++;
    }
  }

  #change(found: Case): Membership {
    const changes = parseChanges(found.input);
    switch (found.command) {
      case "simple":
        return simpleChange(this.#tracker, this.#lastIndex, changes);
      case "enter-joint":
        return enterJoint(this.#tracker, this.#lastIndex, changes, value(found, "autoleave") === "true");
      case "leave-joint":
        return leaveJoint(this.#tracker);
      default:
        throw new Error(`line ${found.line}: unknown command ${found.command}`);
    }
  }
}
