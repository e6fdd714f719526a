import type { EventPayload } from '@rahat/contracts';

type Recorded = EventPayload<'audit.recorded.v1'>;
const SYSTEM = { kind: 'system', id: 'rahat', name: 'Rahat Backup' } as const;
/** The steps in between are in the run's own log. */
const OUTCOMES = new Set<EventPayload<'run.changed.v1'>['state']>(['succeeded', 'partial', 'failed', 'cancelled', 'missed', 'skipped']);

/** Undefined for a state that is no outcome. */
export function outcomeOfRun(event: EventPayload<'run.changed.v1'>): Recorded | undefined {
  if (!OUTCOMES.has(event.state)) return undefined;
  const details = { type: event.type, attempt: event.attempt, server: event.server, plan: event.plan ?? null, error: event.error ?? null };
  return {
    organization: event.organization,
    actor: SYSTEM,
    action: `run.${event.state}`,
    target: { kind: 'run', id: event.run },
    details,
    at: event.at,
  };
}

export function proofOfBackup(event: EventPayload<'backup.proven.v1'>): Recorded {
  return {
    organization: event.organization,
    actor: SYSTEM,
    action: 'backup.proven',
    target: { kind: 'backup', id: event.backup },
    details: { level: event.level },
    at: event.at,
  };
}

export function birthOfOrganization(event: EventPayload<'organization.created.v1'>): Recorded {
  return {
    organization: event.organization,
    actor: SYSTEM,
    action: 'organization.created',
    target: { kind: 'organization', id: event.organization, name: event.name },
    details: {},
    at: event.at,
  };
}
