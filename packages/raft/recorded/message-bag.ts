/** The messages of a script that are under way, in the order in which they were sent. */
import { isStorageTarget, type Message } from "../src/message.ts";
import { MESSAGE_NAMES } from "./describe.ts";

export class MessageBag {
  #messages: Message[] = [];

  add(messages: readonly Message[]): void {
    this.#messages.push(...messages);
  }

  has(to: number): boolean {
    return this.#messages.some((sent) => sent.to === to);
  }

  /**
   * Takes out what is queued for a node, of one type where that is given. What a node sends to itself can't be dropped: it isn't
   * sent at all.
   */
  take(to: number, type: string | undefined, drop: boolean): readonly Message[] {
    const taken: Message[] = [];
    this.#messages = this.#messages.filter((sent) => {
      const own = sent.from === sent.to || isStorageTarget(sent.from);
      if (sent.to !== to || (type !== undefined && MESSAGE_NAMES[sent.type] !== type) || (drop && own)) return true;
      taken.push(sent);
      return false;
    });
    return taken;
  }
}
