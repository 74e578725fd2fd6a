/** What a handler module exports: handlers, batch handlers, windows and built-ins, alone or in an array. */
import { looksLikeBatchHandler, toBatchHandler } from "./bulk/batch-handler.ts";
import { type BuiltIn, looksLikeBuiltIn, toBuiltIn } from "./bulk/built-in.ts";
import { type Handler, toHandler } from "./handler.ts";
import { looksLikeWindow, toWindow, type Window } from "./windows/window-definition.ts";

/** Checked definitions. */
export interface Definitions {
  readonly handlers: readonly Handler[];
  readonly windows: readonly Window[];
  readonly builtIns: readonly BuiltIn[];
}

/**
 * Checks what a module exports.
 * @param where the file, for messages.
 * @throws EscError `ESC_HANDLER_INVALID`, `ESC_WINDOW_INVALID`, `ESC_BUILTIN_INVALID`.
 */
export function toDefinitions(exported: unknown, where: string): Definitions {
  const all = Array.isArray(exported) ? exported : [exported];
  const place = (index: number) => (all.length > 1 ? `${where} [${index}]` : where);
  const handlers: Handler[] = [];
  const windows: Window[] = [];
  const builtIns: BuiltIn[] = [];
  for (const [index, one] of all.entries()) {
    if (looksLikeWindow(one)) windows.push(toWindow(one, place(index)));
    else if (looksLikeBatchHandler(one)) handlers.push(toBatchHandler(one, place(index)));
    else if (looksLikeBuiltIn(one)) builtIns.push(toBuiltIn(one, place(index)));
    else handlers.push(toHandler(one, place(index)));
  }
  return { handlers, windows, builtIns };
}
