import { RahatError, type DeadLetter, type Page, type PageQuery, type Principal } from '@rahat/contracts';
import type { DeadLetterBox, Outbox } from '@rahat/messaging';
import type { TenantDatabase } from '@rahat/persistence';
import { recordAct, redactSecrets, type ListPages } from '@rahat/service-kit';
import { z } from 'zod';

const BATCH = 100;

/** Where a message says whose it is. */
const Belonging = z
  .object({
    organization: z.string().optional(),
    spec: z.object({ organization: z.string(), run: z.string().optional() }).optional(),
    run: z.string().optional(),
  })
  .catch({});

/**
 * What the queues of all services gave up. The organization's own, and what belongs to none (a worker's sign of life). Who is limited to
 * server groups sees what is about a run there.
 */
export class DeadLettersService {
  constructor(
    private readonly box: DeadLetterBox,
    private readonly database: TenantDatabase,
    private readonly outbox: Outbox,
    private readonly pages: ListPages,
  ) {}

  async list(principal: Principal, { cursor, limit }: PageQuery): Promise<Page<DeadLetter>> {
    const found: { letter: DeadLetter; position: number }[] = [];
    for (let start = Number(this.pages.after(cursor)[0] ?? 0); found.length <= limit; start += BATCH) {
      const letters = await this.box.list(start, BATCH);
      const visible = await this.visible(principal, letters);
      found.push(...letters.map((letter, index) => ({ letter, position: start + index + 1 })).filter(({ letter }) => visible.has(letter)));
      if (letters.length < BATCH) break;
    }
    return this.pages.page(
      found.slice(0, limit + 1),
      limit,
      ({ letter }) => present(letter),
      ({ position }) => [String(position)],
    );
  }

  async get(principal: Principal, id: string): Promise<DeadLetter> {
    const letter = await this.box.find(id);
    if (!(await this.visible(principal, [letter])).has(letter)) throw new RahatError('not_found', `There is no dead letter ${id}`);
    return present(letter);
  }

  async retry(principal: Principal, id: string): Promise<void> {
    await this.get(principal, id);
    const letter = await this.box.retry(id);
    await this.record(principal, letter, 'dead-letter.retried');
  }

  async discard(principal: Principal, id: string): Promise<void> {
    await this.get(principal, id);
    const letter = await this.box.discard(id);
    await this.record(principal, letter, 'dead-letter.discarded');
  }

  /** Workers' messages name only their run, so the ledger tells whose they are. */
  private async visible(principal: Principal, letters: DeadLetter[]): Promise<Set<DeadLetter>> {
    const belongings = letters.map((letter) => ({ letter, ...Belonging.parse(letter.payload) }));
    const runs = belongings.flatMap(({ run, spec }) => run ?? spec?.run ?? []);
    const own = await this.database.inOrganization(principal, (transaction) =>
      transaction.query<{ id: string }>('SELECT id FROM runs WHERE id = ANY ($1)', [runs]),
    );
    const ownRuns = new Set(own.map(({ id }) => id));
    const isOwn = ({ organization: named, spec, run }: (typeof belongings)[number]): boolean => {
      const owner = named ?? spec?.organization;
      if (principal.serverGroups !== null) return ownRuns.has(run ?? spec?.run ?? '');
      if (owner !== undefined) return owner === principal.organization || owner === 'platform';
      return run === undefined || ownRuns.has(run);
    };
    return new Set(belongings.filter(isOwn).map(({ letter }) => letter));
  }

  private async record(principal: Principal, letter: DeadLetter, action: string): Promise<void> {
    const { id, name, queue, message, error } = letter;
    await this.database.inOrganization(principal, (transaction) =>
      recordAct(this.outbox, transaction, principal, {
        action,
        target: { kind: 'dead-letter', id, name },
        details: { queue, message, error: error.code },
      }),
    );
  }
}

function present({ id, queue, message, name, error, attempts, diedAt, payload }: DeadLetter): DeadLetter {
  return { id, queue, message, name, error, attempts, diedAt, payload: redactSecrets(payload) };
}
