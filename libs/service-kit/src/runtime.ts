import type { Provider } from '@nestjs/common';
import type { Messaging, Outbox } from '@rahat/messaging';
import type { ServiceDatabase } from '@rahat/persistence';
import type { PrincipalSigner } from './principal/principal-token.js';

export const DATABASE = Symbol('rahat.database');
export const OUTBOX = Symbol('rahat.outbox');
export const MESSAGING = Symbol('rahat.messaging');
export const PRINCIPALS = Symbol('rahat.principals');
export const CONFIG = Symbol('rahat.config');

/** What a service without a database of its own stands on: gateway and backup-worker. */
export interface StatelessRuntime {
  service: string;
  messaging: Messaging;
  principals: PrincipalSigner;
}

/** What a service stands on; the cluster shape makes one per process, standalone one per service. */
export interface ServiceRuntime extends StatelessRuntime {
  database: ServiceDatabase;
  outbox: Outbox;
}

/** The providers of DATABASE, OUTBOX, MESSAGING, PRINCIPALS and CONFIG for a service's module. */
export function runtimeProviders(runtime: ServiceRuntime | StatelessRuntime, config: unknown): Provider[] {
  const providers: Provider[] = [
    { provide: MESSAGING, useValue: runtime.messaging },
    { provide: PRINCIPALS, useValue: runtime.principals },
    { provide: CONFIG, useValue: config },
  ];
  if ('database' in runtime) {
    providers.push({ provide: DATABASE, useValue: runtime.database }, { provide: OUTBOX, useValue: runtime.outbox });
  }
  return providers;
}
