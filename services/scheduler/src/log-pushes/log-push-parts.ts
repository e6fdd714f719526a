import type { Provider, Type } from '@nestjs/common';
import type { Messaging, Outbox } from '@rahat/messaging';
import type { ServiceDatabase } from '@rahat/persistence';
import type { Clock } from '../clock/clock.js';
import type { Intake } from '../contents/intake.js';
import type { ServerSecrets } from '../servers/server-secrets.js';
import { Handovers } from './handover.js';
import { LogPushTokensController } from './log-push-tokens.controller.js';
import { LogPushTokens } from './log-push-tokens.js';
import { LogPushesController } from './log-pushes.controller.js';
import { LogPushes } from './log-pushes.js';

export const LOG_PUSH_CONTROLLERS: Type[] = [LogPushTokensController, LogPushesController];

interface Means {
  database: ServiceDatabase;
  outbox: Outbox;
  messaging: Messaging;
  intake: Intake;
  secrets: ServerSecrets;
  clock: Clock;
}

export function logPushProviders({ database, outbox, messaging, intake, secrets, clock }: Means): Provider[] {
  const tokens = new LogPushTokens(database, outbox, clock);
  const handovers = new Handovers(messaging, intake, secrets);
  return [
    { provide: LogPushTokens, useValue: tokens },
    { provide: LogPushes, useValue: new LogPushes(database, outbox, tokens, handovers, clock) },
  ];
}
