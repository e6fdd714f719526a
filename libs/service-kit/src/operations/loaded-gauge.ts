import { Gauge, type Registry } from 'prom-client';

export interface GaugeSample {
  labels: Record<string, string>;
  value: number;
}

/** A gauge whose samples are asked for at each scrape; what is not among them any more is gone. */
export function loadedGauge(
  registry: Registry,
  { samples, ...gauge }: { name: string; help: string; labelNames: readonly string[]; samples(): Promise<GaugeSample[]> },
): void {
  new Gauge({
    ...gauge,
    registers: [registry],
    async collect() {
      const found = await samples();
      this.reset();
      for (const { labels, value } of found) this.set(labels, value);
    },
  });
}
