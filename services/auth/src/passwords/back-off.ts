/** How failed log-ins of one account or one address slow the next ones down. */
export interface BackOffRule {
  /** Failures that cost nothing, for people who mistype. */
  free: number;
  firstSeconds: number;
  longestSeconds: number;
}

export const BACK_OFF = {
  // Bounded, so that a stranger can delay an account's owner but never lock them out for long.
  account: { free: 5, firstSeconds: 5, longestSeconds: 900 },
  address: { free: 20, firstSeconds: 5, longestSeconds: 900 },
} as const satisfies Record<string, BackOffRule>;

/** After this long without a failure the count starts again. */
export const FORGET_FAILURES_AFTER_SECONDS = 3600;

/** Seconds to wait after the `failures`th failure in a row: doubling, bounded. */
export function backOffSeconds(rule: BackOffRule, failures: number): number {
  if (failures < rule.free) return 0;
  return Math.min(rule.longestSeconds, rule.firstSeconds * 2 ** Math.min(failures - rule.free, 20));
}
