import { z } from 'zod';
import { BlackoutWindows } from '../blackouts.js';

const Limit = z.number().int().min(1).max(1000);

/** The organization's own rules for all of its plans: when nothing starts by itself, and how much may run at once. */
export const Scheduling = z
  .object({
    blackouts: BlackoutWindows,
    limits: z
      .object({
        /** Runs at once by worker pool, and by storage id. */
        pools: z.record(z.string(), Limit),
        storages: z.record(z.string(), Limit),
      })
      .strict(),
  })
  .strict()
  .meta({ id: 'Scheduling' });
export type Scheduling = z.infer<typeof Scheduling>;
