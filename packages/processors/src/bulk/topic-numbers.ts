/** Small numbers for topics: what stands in a batch's column instead of a text. Never changes what a number stands for. */

/** Topics with a number; further ones are -1. */
export const MAX_NUMBERED_TOPICS = 4_096;

export class TopicNumbers {
  readonly #names: string[] = [];
  readonly #numbers = new Map<string, number>();

  /** The topic's number, given at its first event; -1 when there are {@link MAX_NUMBERED_TOPICS} already. */
  of(topic: string): number {
    const known = this.#numbers.get(topic);
    if (known !== undefined) return known;
    if (this.#names.length >= MAX_NUMBERED_TOPICS) return -1;
    this.#numbers.set(topic, this.#names.length);
    return this.#names.push(topic) - 1;
  }

  /** The topic of a number. @throws RangeError for one that was never given. */
  name(number: number): string {
    const name = this.#names[number];
    if (name === undefined) throw new RangeError(`${number} is no topic's number`);
    return name;
  }
}
