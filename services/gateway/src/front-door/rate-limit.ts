/** So many addresses are counted at most; the oldest window is forgotten first. */
const MOST_ADDRESSES = 50_000;

export interface RateDecision {
  allowed: boolean;
  limit: number;
  remaining: number;
  resetSeconds: number;
}

/** Fixed windows in this process's memory, one per address. */
export class RateLimit {
  private readonly windows = new Map<string, { endsAt: number; used: number }>();

  constructor(
    readonly name: string,
    private readonly limit: number,
    private readonly windowSeconds: number,
    private readonly now: () => number = Date.now,
  ) {}

  take(address: string): RateDecision {
    const now = this.now();
    let window = this.windows.get(address);
    if (window === undefined || window.endsAt <= now) {
      window = { endsAt: now + this.windowSeconds * 1000, used: 0 };
      // Re-inserted at the end, so that the map's order is the order of windows.
      this.windows.delete(address);
      this.windows.set(address, window);
      this.forgetOldest();
    }
    window.used += 1;
    return {
      allowed: window.used <= this.limit,
      limit: this.limit,
      remaining: Math.max(0, this.limit - window.used),
      resetSeconds: Math.ceil((window.endsAt - now) / 1000),
    };
  }

  /** draft-ietf-httpapi-ratelimit-headers. */
  headers(decision: RateDecision): Record<string, string> {
    return {
      'RateLimit-Policy': `"${this.name}";q=${this.limit};w=${this.windowSeconds}`,
      RateLimit: `"${this.name}";r=${decision.remaining};t=${decision.resetSeconds}`,
      ...(decision.allowed ? {} : { 'Retry-After': String(decision.resetSeconds) }),
    };
  }

  private forgetOldest(): void {
    if (this.windows.size <= MOST_ADDRESSES) return;
    const oldest = this.windows.keys().next().value;
    if (oldest !== undefined) this.windows.delete(oldest);
  }
}
