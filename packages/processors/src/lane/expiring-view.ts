/**
 * For `handlers_debug`: a view that tells when it is used after its call. What it gives out as bytes are copies whose
 * memory is taken away with it, so that keeping those shows, too. Costs a few objects an event; without it there are none.
 */
import { EscError } from "@esc/events";
import type { EventView } from "../handler.ts";

export interface ExpiringView {
  readonly view: EventView;
  /** The call is over. */
  expire(): void;
}

/** A view over another, until it expires. */
export function expiringView(view: EventView): ExpiringView {
  let expired = false;
  const given: Uint8Array<ArrayBuffer>[] = [];
  const proxy = new Proxy(view, {
    get(target, property) {
      if (expired) {
        throw new EscError(
          "ESC_VIEW_EXPIRED",
          `\`${String(property)}\` of an event was asked for after its handler was done. Keep event.copy() instead of the event.`,
        );
      }
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value === "function") return value.bind(target);
      if (!(value instanceof Uint8Array)) return value;
      const copy = Uint8Array.from(value);
      given.push(copy);
      return copy;
    },
  });
  return {
    view: proxy,
    expire() {
      expired = true;
      // Detached: whoever kept the bytes has an array without any.
      for (const bytes of given) bytes.buffer.transfer(0);
    },
  };
}
