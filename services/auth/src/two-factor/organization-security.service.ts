import { RahatError, type OrganizationSecurity, type Principal, type UpdateOrganizationSecurity } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import { changesBetween, recordAct } from '@rahat/service-kit';
import { demandPresentRight } from './fresh-proof.js';

interface Row {
  name: string;
  second_factor_required: boolean;
  sign_on_counts_as_second_factor: boolean;
}

export class OrganizationSecurityService {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly outbox: Outbox,
  ) {}

  async get(principal: Principal): Promise<OrganizationSecurity> {
    return this.database.inOrganization(principal.organization, async (transaction) =>
      present(await this.row(transaction, principal.organization)),
    );
  }

  /** Open sessions without a second factor are limited from now on; API keys are not concerned. */
  async update(principal: Principal, change: UpdateOrganizationSecurity): Promise<OrganizationSecurity> {
    return this.database.inOrganization(principal.organization, async (transaction) => {
      await demandPresentRight(transaction, principal, 'organization:write');
      const before = await this.row(transaction, principal.organization);
      if (change.secondFactorRequired === true && !before.second_factor_required) await demandOwnFactor(transaction, principal);
      const [after] = await transaction.query<Row>(
        `UPDATE organizations SET second_factor_required = coalesce($2, second_factor_required),
           sign_on_counts_as_second_factor = coalesce($3, sign_on_counts_as_second_factor)
         WHERE organization_id = $1 RETURNING name, second_factor_required, sign_on_counts_as_second_factor`,
        [principal.organization, change.secondFactorRequired ?? null, change.signOnCountsAsSecondFactor ?? null],
      );
      await recordAct(this.outbox, transaction, principal, {
        action: 'organization.security_changed',
        target: { kind: 'organization', id: principal.organization, name: before.name },
        details: { ...changesBetween(present(before), present(after!)) },
      });
      return present(after!);
    });
  }

  private async row(transaction: Transaction, organization: string): Promise<Row> {
    const [row] = await transaction.query<Row>(
      `SELECT name, second_factor_required, sign_on_counts_as_second_factor FROM organizations WHERE organization_id = $1`,
      [organization],
    );
    if (row === undefined) throw new RahatError('not_found', 'There is no such organization.');
    return row;
  }
}

/** Else the one who asks it of everybody would be the first to be shut out. */
async function demandOwnFactor(transaction: Transaction, principal: Principal): Promise<void> {
  const shown = await transaction.query(`SELECT FROM sessions WHERE id = $1 AND second_factor`, [principal.session]);
  if (shown.length === 0)
    throw new RahatError('conflict', 'You have shown no second factor yourself.', {
      hint: 'Add an authenticator app or a passkey to your own account first.',
    });
}

function present(row: Row): OrganizationSecurity {
  return { secondFactorRequired: row.second_factor_required, signOnCountsAsSecondFactor: row.sign_on_counts_as_second_factor };
}
