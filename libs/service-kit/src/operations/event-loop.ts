import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Registry } from 'prom-client';
import { loadedGauge } from './loaded-gauge.js';

/** Each look wakes the process: at the library's 10 ms, that alone takes half a percent of a core from a process at rest. */
const LOOK_EVERY_MS = 100;
const PERCENTILES = [50, 99, 100];

/** How late the event loop came to its timers since the last scrape: long where something keeps the process from everything else. */
export function measureEventLoop(registry: Registry): void {
  const delays = monitorEventLoopDelay({ resolution: LOOK_EVERY_MS });
  delays.enable();
  loadedGauge(registry, {
    name: 'rahat_event_loop_lag_seconds',
    help: 'How late the event loop came to its timers since the last scrape',
    // Not `quantile`, which is for summaries alone.
    labelNames: ['percentile'],
    samples: () => {
      const seen = delays.count > 0;
      const samples = PERCENTILES.map((percentile) => ({
        labels: { percentile: String(percentile) },
        // What is recorded is the time between two looks.
        value: seen ? Math.max(0, delays.percentile(percentile) / 1e9 - LOOK_EVERY_MS / 1000) : 0,
      }));
      delays.reset();
      return Promise.resolve(samples);
    },
  });
}
