import {
  CreatePlan,
  newId,
  RahatError,
  type CreatePlanFromTemplate,
  type CreateTemplate,
  type Page,
  type Plan,
  type PlanOutline,
  type Principal,
  type Template,
  type UpdateTemplate,
} from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { TenantDatabase, Transaction } from '@rahat/persistence';
import { changesBetween, recordAct, whatever, type Expected } from '@rahat/service-kit';
import type { Clock } from '../clock/clock.js';
import { lockRow } from '../input/lock-row.js';
import { assertSchedules, assertVerificationSchedules, assertWindows } from '../plans/plan-input.js';
import type { PlansService } from '../plans/plans.service.js';
import { BUILT_IN_TEMPLATES } from './built-in-templates.js';
import { findTemplate, ownTemplates, presentTemplate, type TemplateRow } from './templates.table.js';

export class TemplatesService {
  constructor(
    private readonly database: TenantDatabase,
    private readonly outbox: Outbox,
    private readonly plans: PlansService,
    private readonly clock: Clock,
  ) {}

  /** Few enough for one page: the organization's own by name, then the built-in ones. */
  async list(principal: Principal): Promise<Page<Template>> {
    const own = await this.database.inOrganization(principal, ownTemplates);
    return { data: [...own, ...BUILT_IN_TEMPLATES], page: { nextCursor: null, hasMore: false } };
  }

  async get(principal: Principal, id: string): Promise<Template> {
    return this.database.inOrganization(principal, (transaction) => findTemplate(transaction, id));
  }

  async create(principal: Principal, request: CreateTemplate): Promise<Template> {
    this.assertContent(request.content);
    return this.database.inOrganization(principal, async (transaction) => {
      await assertNameFree(transaction, request.name);
      const [row] = await transaction.query<TemplateRow>(
        `INSERT INTO templates (id, organization_id, name, description, content) VALUES ($1, $2, $3, $4, $5) RETURNING *`,
        [newId('template'), principal.organization, request.name, request.description, JSON.stringify(request.content)],
      );
      return this.told(transaction, principal, 'template.created', row!);
    });
  }

  async update(principal: Principal, id: string, request: UpdateTemplate, expected: Expected = whatever): Promise<Template> {
    this.assertContent(request.content ?? {});
    return this.database.inOrganization(principal, async (transaction) => {
      const before = await this.ownOne(transaction, id, expected);
      if (request.name !== undefined && request.name.toLowerCase() !== before.name.toLowerCase())
        await assertNameFree(transaction, request.name);
      const [row] = await transaction.query<TemplateRow>(
        `UPDATE templates SET name = COALESCE($2, name), description = COALESCE($3, description), content = COALESCE($4::jsonb, content) WHERE id = $1 RETURNING *`,
        [before.id, request.name ?? null, request.description ?? null, request.content ? JSON.stringify(request.content) : null],
      );
      return this.told(transaction, principal, 'template.updated', row!, before);
    });
  }

  /** Plans that were made from it stay as they are. */
  async remove(principal: Principal, id: string, expected: Expected = whatever): Promise<void> {
    await this.database.inOrganization(principal, async (transaction) => {
      const template = await this.ownOne(transaction, id, expected);
      await transaction.query(`DELETE FROM templates WHERE id = $1`, [template.id]);
      await recordAct(this.outbox, transaction, principal, {
        action: 'template.deleted',
        target: { kind: 'template', id: template.id, name: template.name },
        details: { ...changesBetween(template, undefined) },
      });
    });
  }

  async createPlan(principal: Principal, id: string, request: CreatePlanFromTemplate): Promise<Plan> {
    const { content } = await this.get(principal, id);
    return this.plans.create(principal, fromTemplate(content, request));
  }

  private assertContent(content: PlanOutline): void {
    assertWindows(content.blackouts, '/content');
    assertVerificationSchedules(content.verifySchedules, this.clock.now(), '/content');
    assertSchedules(content.schedules ?? [], content.method ?? 'postgresql.logical', this.clock.now(), '/content');
  }

  private async ownOne(transaction: Transaction, idOrName: string, expected: Expected): Promise<Template> {
    const { id } = await findTemplate(transaction, idOrName);
    await lockRow(transaction, 'templates', id);
    const template = await findTemplate(transaction, id);
    expected(template);
    if (template.builtIn)
      throw new RahatError('conflict', `The template '${template.name}' came with the product`, {
        hint: 'Make one of your own of its content.',
      });
    return template;
  }

  private async told(
    transaction: Transaction,
    principal: Principal,
    action: string,
    row: TemplateRow,
    before?: Template,
  ): Promise<Template> {
    const template = presentTemplate(row);
    const details = { ...changesBetween(before, template) };
    await recordAct(this.outbox, transaction, principal, { action, target: { kind: 'template', id: row.id, name: row.name }, details });
    return template;
  }
}

/** What a request says goes before its template; a cron expression replaces the template's schedules. */
export function fromTemplate(content: PlanOutline, request: CreatePlanFromTemplate): CreatePlan {
  const { schedules, ...rest } = content;
  const kept = schedules === undefined || request.cron !== undefined ? {} : { schedules: inZone(schedules, request.timeZone) };
  return CreatePlan.parse({ ...rest, ...kept, ...request });
}

function inZone<S extends { timeZone: string }>(schedules: readonly S[], timeZone: string | undefined): S[] {
  return schedules.map((schedule) => (timeZone === undefined ? schedule : { ...schedule, timeZone }));
}

async function assertNameFree(transaction: Transaction, name: string): Promise<void> {
  const [other] = await transaction.query(`SELECT 1 FROM templates WHERE lower(name) = lower($1)`, [name]);
  if (other) throw new RahatError('conflict', `There is a template named '${name}' already`);
}
