/** Alerts: what somebody should know now, from handlers and from the lanes themselves. */

/** From least to most urgent. */
export const ALERT_LEVELS = ["INFO", "WARNING", "CRITICAL", "EMERGENCY"] as const;
export type AlertLevel = (typeof ALERT_LEVELS)[number];

export interface Alert {
  readonly level: AlertLevel;
  readonly text: string;
  /** Where it comes from: a lane, or "server". */
  readonly source: string;
  /** The topic it is about, where it is about one. */
  readonly topic?: string;
  /** Milliseconds since the epoch. */
  readonly atMs: number;
}

/** Characters of a text that are kept. */
export const MAX_ALERT_TEXT = 2_000;

/** Whether a level is at least another. */
export function isAtLeast(level: AlertLevel, least: AlertLevel): boolean {
  return ALERT_LEVELS.indexOf(level) >= ALERT_LEVELS.indexOf(least);
}
