import client from 'prom-client';

export type MetricsRegistry = client.Registry;

export interface GaugeSample {
  labels: Record<string, string>;
  value: number;
}

/** A gauge whose samples are asked for at each scrape; what is not among them any more is gone. */
export function addGauge(
  registry: MetricsRegistry,
  gauge: { name: string; help: string; labels: readonly string[]; samples(): Promise<GaugeSample[]> },
): void {
  const { name, help, labels } = gauge;
  const measured = new client.Gauge({
    name,
    help,
    labelNames: labels,
    registers: [registry],
    collect: async () => {
      const samples = await gauge.samples();
      measured.reset();
      for (const sample of samples) measured.set(sample.labels, sample.value);
    },
  });
}
