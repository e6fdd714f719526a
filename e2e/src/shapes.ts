import type { Form } from '@rahat/demo';

/** One way to run the product. */
export interface Shape {
  form: Form;
  queues: 'postgresql' | 'redis';
}

/** As `npm start` does. */
export const STANDALONE: Shape = { form: 'standalone', queues: 'postgresql' };
/** As `npm run cluster` does. */
export const CLUSTER: Shape = { form: 'cluster', queues: 'redis' };

const EVERY_SHAPE: Shape[] = [STANDALONE, { form: 'standalone', queues: 'redis' }, CLUSTER, { form: 'cluster', queues: 'postgresql' }];

/**
 * The shapes a suite runs in. Each shape doubles the time, so by default only what must hold in each runs in more than
 * one; `RAHAT_E2E_SHAPES=every` runs all suites in all shapes, `RAHAT_E2E_SHAPES=cluster/redis` in the named ones.
 */
export function shapes(...byDefault: Shape[]): Shape[] {
  const wanted = process.env['RAHAT_E2E_SHAPES'];
  if (!wanted) return byDefault;
  if (wanted === 'every') return EVERY_SHAPE;
  const found = EVERY_SHAPE.filter(({ form, queues }) => wanted.split(',').includes(`${form}/${queues}`));
  if (found.length === 0)
    throw new Error(`RAHAT_E2E_SHAPES=${wanted} names no shape; they are \`every\` and form/queues, as cluster/redis.`);
  return found;
}
