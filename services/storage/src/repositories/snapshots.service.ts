import {
  RahatError,
  type CommandPayload,
  type Page,
  type PageQuery,
  type Principal,
  type RepositorySnapshot,
  QUEUES,
} from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import type { Repository, SnapshotListing } from '@rahat/repository';
import type { SecretBox } from '@rahat/secrets';
import { recordAct, recordOwnAct, type Cursors } from '@rahat/service-kit';
import { z } from 'zod';
import { openStored, ownRepository } from './own-repository.js';
import { repositoryOf, type RepositoryRow } from './repositories.service.js';

const Position = z.tuple([z.literal('snapshots'), z.string(), z.string()]);

/** What the repositories themselves hold, read from the storage and not from a catalog. */
export class SnapshotsService {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly outbox: Outbox,
    private readonly secretBox: SecretBox,
    private readonly cursors: Cursors,
  ) {}

  /** Newest first. Manifests are read oldest first, so only the wanted page is held. */
  async list(principal: Principal, repositoryId: string, page: PageQuery): Promise<Page<RepositorySnapshot>> {
    const row = await this.database.inOrganization(principal.organization, async (transaction) => {
      const found = await repositoryOf(transaction, repositoryId);
      // The repository's keys are opened, and what they open is shown.
      const target = { kind: 'repository', id: repositoryId, name: found.name };
      await recordAct(this.outbox, transaction, principal, { action: 'repository.browsed', target, details: { limit: page.limit } });
      return found;
    });
    const [, , after] = page.cursor === undefined ? [] : this.cursors.decode(page.cursor, Position);
    const repository = await this.open(row);
    const newest: SnapshotListing[] = [];
    for await (const listing of repository.snapshots()) {
      if (listing.id === after) break;
      newest.push(listing);
      if (newest.length > page.limit + 1) newest.shift();
    }
    newest.reverse();
    const data = newest.slice(0, page.limit).map(present);
    const hasMore = newest.length > page.limit;
    return { data, page: { nextCursor: hasMore ? this.cursors.encode(['snapshots', repositoryId, data.at(-1)!.id]) : null, hasMore } };
  }

  /** Retention decided; the manifest goes to the trash. The scheduler is answered in any case and keeps the backup's row on an error. */
  async remove(transaction: Transaction, command: CommandPayload<'snapshot.remove.v1'>): Promise<void> {
    const error = await this.tryToRemove(transaction, command);
    const { organization, backup, snapshot } = command;
    await this.outbox.command(transaction, QUEUES.scheduler, 'snapshot.removed.v1', {
      organization,
      backup,
      snapshot,
      ...(error === undefined ? {} : { error: error.serialize() }),
    });
    await recordOwnAct(this.outbox, transaction, 'storage', {
      organization,
      action: error === undefined ? 'snapshot.removed' : 'snapshot.remove_failed',
      target: { kind: 'snapshot', id: snapshot },
      details: {
        repository: command.repository,
        backup,
        reason: command.reason,
        ...(error === undefined ? {} : { error: error.code, message: error.message }),
      },
    });
  }

  /** Out of the trash again; the scheduler is answered in any case. */
  async bringBack(transaction: Transaction, command: CommandPayload<'snapshot.return.v1'>): Promise<void> {
    const { organization, backup, snapshot, repository } = command;
    const error = await this.tryToBringBack(transaction, command);
    await this.outbox.command(transaction, QUEUES.scheduler, 'snapshot.returned.v1', {
      organization,
      backup,
      snapshot,
      ...(error === undefined ? {} : { error: error.serialize() }),
    });
    await recordOwnAct(this.outbox, transaction, 'storage', {
      organization,
      action: error === undefined ? 'snapshot.returned' : 'snapshot.return_failed',
      target: { kind: 'snapshot', id: snapshot },
      details: { repository, backup, ...(error === undefined ? {} : { error: error.code, message: error.message }) },
    });
  }

  /** What an attempt left that was given up: most often nothing. An error lets the command come again. */
  async discard(transaction: Transaction, command: CommandPayload<'snapshot.discard.v1'>): Promise<void> {
    const { organization, snapshot, repository, run } = command;
    const found = await this.moveToTrash(transaction, command);
    if (!found) return;
    await recordOwnAct(this.outbox, transaction, 'storage', {
      organization,
      action: 'snapshot.discarded',
      target: { kind: 'snapshot', id: snapshot },
      details: { repository, run, reason: 'committed by an attempt whose result was not accepted' },
    });
  }

  private async tryToRemove(transaction: Transaction, command: CommandPayload<'snapshot.remove.v1'>): Promise<RahatError | undefined> {
    try {
      // Gone is what was asked for: an earlier delivery's answer was lost, and the trash has been emptied since.
      await this.moveToTrash(transaction, command);
      return undefined;
    } catch (error) {
      return RahatError.from(error);
    }
  }

  private async tryToBringBack(transaction: Transaction, command: CommandPayload<'snapshot.return.v1'>): Promise<RahatError | undefined> {
    try {
      const repository = await this.open(await ownRepository(transaction, command));
      await repository.restoreFromTrash(command.snapshot);
      return undefined;
    } catch (error) {
      return RahatError.from(error);
    }
  }

  /** False when there is no such snapshot, in the trash neither. */
  private async moveToTrash(
    transaction: Transaction,
    command: { organization: string; repository: string; snapshot: string },
  ): Promise<boolean> {
    const row = await ownRepository(transaction, command);
    try {
      await (await this.open(row)).moveToTrash(command.snapshot);
      return true;
    } catch (error) {
      if (error instanceof RahatError && error.code === 'snapshot_not_found') return false;
      throw error;
    }
  }

  private open(row: RepositoryRow): Promise<Repository> {
    return openStored(this.secretBox, row);
  }
}

function present(listing: SnapshotListing): RepositorySnapshot {
  if (!listing.ok) {
    const { code, message } = RahatError.from(listing.error);
    return { readable: false, id: listing.id, error: { code, message } };
  }
  const { manifest } = listing;
  return {
    readable: true,
    id: listing.id,
    createdAt: manifest.createdAt,
    consistentAt: manifest.consistentAt,
    serverName: manifest.server.name,
    databaseName: manifest.database?.name ?? null,
    engine: manifest.engine,
    method: manifest.method,
    label: manifest.label,
    parent: manifest.parent ?? null,
    objects: manifest.objects.length,
    sizeBytes: manifest.sizeBytes,
    addedBytes: manifest.addedBytes,
    run: manifest.run,
  };
}
