import { Counter, Gauge, type Registry } from '@rahat/service-kit';

const OUTCOMES = ['evidence', 'error', 'cancelled'] as const;

/** What this worker does. */
export class WorkerMetrics {
  readonly slots = new Gauge({
    name: 'rahat_worker_slots',
    help: 'How many runs the worker takes at once',
    labelNames: ['pool'],
    registers: [],
  });
  readonly running = new Gauge({
    name: 'rahat_worker_attempts_running',
    help: 'Attempts that the worker executes now',
    labelNames: ['pool'],
    registers: [],
  });
  readonly ended = new Counter({
    name: 'rahat_worker_attempts_total',
    help: 'Attempts that ended on this worker, by outcome; evidence says nothing yet of its weight',
    labelNames: ['pool', 'outcome'],
    registers: [],
  });

  constructor(pool: string) {
    for (const outcome of OUTCOMES) this.ended.inc({ pool, outcome }, 0);
    this.running.set({ pool }, 0);
    this.slots.set({ pool }, 0);
  }

  registerIn(registry: Registry): this {
    for (const metric of [this.slots, this.running, this.ended]) registry.registerMetric(metric);
    return this;
  }
}
