import { Logger } from '@nestjs/common';
import { Counter, Gauge, type Registry } from '@rahat/service-kit';
import type { Places } from './places.js';

type Watched = Pick<Places, 'inFlight' | 'waiting'>;

export abstract class AdmissionReports {
  abstract refused(kind: string): void;
  abstract watch(kind: string, places: Watched): void;
}

/** A line for each refusal would be a load of its own. */
const SAID_AGAIN_AFTER_MS = 60_000;

export function admissionMetrics(registry: Registry): AdmissionReports {
  const logger = new Logger('Admission');
  const watched = new Map<string, Watched>();
  const said = new Map<string, number>();
  const refusals = new Counter({
    name: 'rahat_gateway_shed_requests_total',
    help: 'Requests refused because too many of their class were under way',
    labelNames: ['class'],
    registers: [registry],
  });
  const gauge = (name: string, help: string, valueOf: (places: Watched) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ['class'],
      registers: [registry],
      collect() {
        for (const [kind, places] of watched) this.set({ class: kind }, valueOf(places));
      },
    });
  gauge('rahat_gateway_requests_in_flight', 'Requests that are under way', ({ inFlight }) => inFlight);
  gauge('rahat_gateway_requests_waiting', 'Requests that wait for a place', ({ waiting }) => waiting);
  return {
    watch: (kind, places) => void watched.set(kind, places),
    refused(kind) {
      refusals.inc({ class: kind });
      if (Date.now() - (said.get(kind) ?? 0) < SAID_AGAIN_AFTER_MS) return;
      said.set(kind, Date.now());
      logger.warn({ class: kind }, 'more requests than this gateway lets through at once: some are refused');
    },
  };
}
