import type { Provider } from '@nestjs/common';
import type { Messaging, Outbox } from '@rahat/messaging';
import type { ServiceDatabase } from '@rahat/persistence';
import type { Clock } from '../clock/clock.js';
import type { Intake } from '../contents/intake.js';
import type { ServerSecrets } from '../servers/server-secrets.js';
import { Handovers } from './handover.js';
import { LogPushTokens } from './log-push-tokens.js';
import { LogPushes } from './log-pushes.js';

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
