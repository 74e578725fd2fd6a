/** The running server's admin API, as commands use it. */
import { EscError } from "@esc/events";

/**
 * Asks below a root like `http://127.0.0.1:8080/api/v1/delayed`.
 * @throws EscError with the code that the server answers, `ESC_NO_SERVER` when none does: one that was killed leaves its
 *   address behind.
 */
export function adminClient(root: string): (path: string, init?: RequestInit) => Promise<never> {
  return async (path, init) => {
    let response: Response;
    try {
      response = await fetch(`${root}${path}`, init);
    } catch (error) {
      const { host } = new URL(root);
      throw new EscError("ESC_NO_SERVER", `No server answers at ${host}, where the last one said it was.`, {
        cause: error,
      });
    }
    const answer = (await response.json()) as { code?: string; message?: string };
    if (!response.ok) throw new EscError(answer.code ?? "ESC_HTTP_FAILED", answer.message ?? `HTTP ${response.status}`);
    return answer as never;
  };
}
