import type { DynamicModule } from '@nestjs/common';
import { Registry } from 'prom-client';
import { createCursors, CURSORS } from './http/cursors.js';
import { METRICS } from './operations/metrics.js';

class PlatformModule {}

/** What every service may inject without importing it: METRICS and CURSORS. */
export function platformModule(metrics: Registry, cursorKey: Buffer): DynamicModule {
  return {
    module: PlatformModule,
    global: true,
    providers: [
      { provide: METRICS, useValue: metrics },
      { provide: CURSORS, useValue: createCursors(cursorKey) },
    ],
    exports: [METRICS, CURSORS],
  };
}

/** The same names with nothing behind them, for describing an API without running it. */
export function idlePlatformModule(): DynamicModule {
  return platformModule(new Registry(), Buffer.alloc(32));
}
