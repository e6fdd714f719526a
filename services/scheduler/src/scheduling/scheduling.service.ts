import { isDeepStrictEqual } from 'node:util';
import type { Principal, Scheduling } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { TenantDatabase } from '@rahat/persistence';
import { changesBetween, recordAct, whatever, type Expected } from '@rahat/service-kit';
import { assertWindows } from '../plans/plan-input.js';
import { schedulingOf } from './scheduling.table.js';

/** The organization's windows and limits. */
export class SchedulingService {
  constructor(
    private readonly database: TenantDatabase,
    private readonly outbox: Outbox,
  ) {}

  async get(principal: Principal): Promise<Scheduling> {
    return this.database.inOrganization(principal, (transaction) => schedulingOf(transaction, principal.organization));
  }

  async put(principal: Principal, request: Scheduling, expected: Expected = whatever): Promise<Scheduling> {
    const { organization } = principal;
    assertWindows(request.blackouts);
    return this.database.inOrganization(principal, async (transaction) => {
      // There may be no row yet that could be locked.
      await transaction.query(`SELECT pg_advisory_xact_lock(hashtextextended('rahat.scheduling.' || $1, 0))`, [organization]);
      const before = await schedulingOf(transaction, organization);
      expected(before);
      if (isDeepStrictEqual(before, request)) return before;
      await transaction.query(
        `INSERT INTO scheduling (organization_id, blackouts, limits) VALUES ($1, $2, $3) ON CONFLICT (organization_id) DO UPDATE SET blackouts = $2, limits = $3`,
        [organization, JSON.stringify(request.blackouts), JSON.stringify(request.limits)],
      );
      if (!isDeepStrictEqual(before.blackouts, request.blackouts))
        await transaction.query(`UPDATE plans SET replan = true WHERE deleted_at IS NULL`);
      await recordAct(this.outbox, transaction, principal, {
        action: 'scheduling.updated',
        target: { kind: 'organization', id: organization },
        details: { ...changesBetween(before, request) },
      });
      return request;
    });
  }
}
