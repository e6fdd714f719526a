import { lsnOf, QUEUES, RahatError, type CommandPayload, type LogRange } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { Transaction } from '@rahat/persistence';
import type { Repository } from '@rahat/repository';
import type { SecretBox } from '@rahat/secrets';
import { recordOwnAct } from '@rahat/service-kit';
import { openStored, ownRepository } from './own-repository.js';

type Removal = CommandPayload<'log.remove.v1'>;

/** Log that retention lets go. */
export class LogsService {
  constructor(
    private readonly outbox: Outbox,
    private readonly secretBox: SecretBox,
  ) {}

  /** The scheduler is answered in any case, and asks again after an error. What was removed by an earlier delivery is not there any more. */
  async remove(transaction: Transaction, command: Removal): Promise<void> {
    const { organization, repository, stream, timeline, end } = command;
    let removed = 0;
    let error: RahatError | undefined;
    try {
      removed = await moveToTrash(await openStored(this.secretBox, await ownRepository(transaction, command)), command);
    } catch (failure) {
      error = RahatError.from(failure);
    }
    await this.outbox.command(transaction, QUEUES.scheduler, 'log.removed.v1', {
      organization,
      stream,
      timeline,
      end,
      removed,
      ...(error === undefined ? {} : { error: error.serialize() }),
    });
    await recordOwnAct(this.outbox, transaction, 'storage', {
      organization,
      action: error === undefined ? 'log.removed_from_repository' : 'log.remove_failed',
      target: { kind: 'repository', id: repository },
      details: {
        stream,
        timeline,
        before: end,
        commits: removed,
        ...(error === undefined ? {} : { error: error.code, message: error.message }),
      },
    });
  }
}

/** Whole commits only: what a commit holds beyond the end is needed. One that can't be read stays, too. */
async function moveToTrash(repository: Repository, { stream, ...removed }: Removal): Promise<number> {
  const names: { first: string; last: string }[] = [];
  for await (const listing of repository.logs({ stream }))
    if (listing.ok && liesIn(listing.manifest.range, removed)) names.push({ first: listing.first, last: listing.last });
  for (const name of names) await repository.removeLog(stream, name);
  return names.length;
}

function liesIn(range: LogRange, { timeline, start, end }: Pick<Removal, 'timeline' | 'start' | 'end'>): boolean {
  return range.timeline === timeline && lsnOf(range.start) >= lsnOf(start) && lsnOf(range.end) <= lsnOf(end);
}
