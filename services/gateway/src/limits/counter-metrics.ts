import { Logger } from '@nestjs/common';
import { Counter, Gauge, type Registry } from '@rahat/service-kit';
import type { CounterReports } from './patient-counter.js';

export interface LimitMetrics extends CounterReports {
  refused(policy: string): void;
}

export function limitMetrics(registry: Registry): LimitMetrics {
  const logger = new Logger('Limits');
  const refusals = new Counter({
    name: 'rahat_gateway_limited_requests_total',
    help: 'Requests refused by a rate limit',
    labelNames: ['policy'],
    registers: [registry],
  });
  const alone = new Counter({
    name: 'rahat_gateway_requests_counted_alone_total',
    help: 'Requests whose limits were counted by this gateway alone, because what gateways share did not answer',
    registers: [registry],
  });
  const away = new Gauge({
    name: 'rahat_gateway_shared_limits_away',
    help: '1 while the limits are not shared with the other gateways',
    registers: [registry],
  });
  return {
    refused: (policy) => refusals.inc({ policy }),
    countedAlone: () => alone.inc(),
    away(error) {
      away.set(1);
      logger.warn({ err: error }, 'limits are counted by this gateway alone until it can count with the others again');
    },
    back() {
      away.set(0);
      logger.log('limits are shared with the other gateways again');
    },
  };
}
