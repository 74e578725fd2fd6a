/** What a handler module exports: handlers and windows, alone or in an array. */
import { type Handler, toHandler } from "./handler.ts";
import { looksLikeWindow, toWindow, type Window } from "./windows/window-definition.ts";

/** Checked definitions. */
export interface Definitions {
  readonly handlers: readonly Handler[];
  readonly windows: readonly Window[];
}

/**
 * Checks what a module exports.
 * @param where the file, for messages.
 * @throws EscError `ESC_HANDLER_INVALID`, `ESC_WINDOW_INVALID`.
 */
export function toDefinitions(exported: unknown, where: string): Definitions {
  const all = Array.isArray(exported) ? exported : [exported];
  const place = (index: number) => (all.length > 1 ? `${where} [${index}]` : where);
  const handlers: Handler[] = [];
  const windows: Window[] = [];
  for (const [index, one] of all.entries()) {
    if (looksLikeWindow(one)) windows.push(toWindow(one, place(index)));
    else handlers.push(toHandler(one, place(index)));
  }
  return { handlers, windows };
}
