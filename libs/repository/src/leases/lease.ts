import { randomBytes } from 'node:crypto';
import { RahatError } from '@rahat/contracts';
import { z } from 'zod';
import type { RepositoryContext } from '../context.js';
import { leaseName, LEASES_PREFIX } from '../layout.js';
import { sealingOf } from '../sealed-files/sealing.js';

/** Payload of a file under leases/. When it began and was last renewed is told by the storage, not by its writer's clock. */
const LeaseFile = z.object({
  format: z.literal(1),
  kind: z.enum(['writer', 'reader', 'collector']),
  holder: z.string(),
  ttlMs: z.number().int(),
  /** Server time of the first put, from the first renewal on; before that it is the file's own time. */
  grantedAt: z.iso.datetime().optional(),
});
export type LeaseFile = z.infer<typeof LeaseFile>;

export function openLease(context: RepositoryContext, name: string, file: Buffer): LeaseFile {
  return LeaseFile.parse(JSON.parse(sealingOf(context).open('lease', name, file).toString('utf8')));
}

/**
 * Sign of a live reader or writer (repository.md §7): collection spares what such a session may need. It is never a lock; a
 * dead holder's lease runs out by itself. All decisions use the storage's time or a monotonic clock, so wall clocks may jump.
 */
export class Lease {
  private confirmedAtMs = 0;
  private answeredAtMs = 0;
  private confirmedServerMs = 0;
  private grantedServerMs = 0;
  private lost = false;
  private callOff: () => void = () => undefined;
  private renewing: Promise<void> | undefined;

  private constructor(
    private readonly context: RepositoryContext,
    private readonly name: string,
    private content: LeaseFile,
  ) {}

  static async take(context: RepositoryContext, kind: LeaseFile['kind'], holder: string): Promise<Lease> {
    const name = leaseName(randomBytes(16).toString('hex'));
    const lease = new Lease(context, name, { format: 1, kind, holder, ttlMs: context.leaseTtlMs });
    await lease.put();
    lease.grantedServerMs = lease.confirmedServerMs;
    lease.content = { ...lease.content, grantedAt: new Date(lease.grantedServerMs).toISOString() };
    lease.renewLater();
    return lease;
  }

  get fileName(): string {
    return this.name;
  }

  /** Server time of its first put; the storage's files that were put before it are seen by its holder. */
  get beganAtMs(): number {
    return this.grantedServerMs;
  }

  /**
   * Reading goes on without a lease where none can be written: from a full disk and from a read-only copy people must be able to
   * restore, and no collection can run on either.
   */
  static async takeForReading(context: RepositoryContext): Promise<Lease | undefined> {
    try {
      return await Lease.take(context, 'reader', 'reader');
    } catch (error) {
      if (error instanceof RahatError && (error.code === 'storage_full' || error.code === 'storage_permission_denied')) return undefined;
      throw error;
    }
  }

  /** By the storage's clock where it has one, so that a writer's wrong clock leaves no trace in manifests. */
  now(): Date {
    return new Date(this.serverTimeAtLeastMs());
  }

  /**
   * No later than the storage's time: to a collector nothing may seem older than it is, and a snapshot must not seem younger than
   * one that is begun after its commit.
   */
  serverTimeAtLeastMs(): number {
    const { store, clock } = this.context;
    if (!store.capabilities.serverTime) return clock.now().getTime();
    return this.confirmedServerMs + (clock.monotonicMs() - this.answeredAtMs);
  }

  /** A session stops at half of its lease's life, long before a collector could pass it over. What is lost stays lost. */
  isHeld(): boolean {
    const age = this.context.clock.monotonicMs() - this.confirmedAtMs;
    if (age > this.context.leaseTtlMs / 2 && this.context.protocol.stopWithoutRenewal) this.lost = true;
    return !this.lost;
  }

  /** Called before every write. */
  assertHeld(): void {
    if (!this.isHeld())
      throw new RahatError(
        'lease_lost',
        'The session was stopped or cut off from its storage for too long; what it wrote or was about to read may have been collected.',
      );
  }

  /** Before a commit: the file must still stand in the storage. */
  async assertStored(): Promise<void> {
    this.assertHeld();
    if ((await this.context.store.stat(this.name)) === undefined) this.lost = true;
    this.assertHeld();
  }

  /** Whether a file of this server time was put before the lease ran out. */
  covers(modifiedAt: Date): boolean {
    if (!this.context.store.capabilities.serverTime) return true;
    return modifiedAt.getTime() <= this.confirmedServerMs + this.context.leaseTtlMs;
  }

  async release(): Promise<void> {
    this.callOff();
    await this.renewing?.catch(() => undefined);
    await this.context.store.remove(this.name);
  }

  private renewLater(): void {
    const renew = (): void => {
      this.renewLater();
      this.renew().catch(() => undefined);
    };
    this.callOff = this.context.clock.after(this.context.leaseTtlMs / 6, renew, { background: true });
  }

  private renew(): Promise<void> {
    this.renewing ??= (async () => {
      try {
        await this.assertStored();
        await this.put();
      } finally {
        this.renewing = undefined;
      }
    })();
    return this.renewing;
  }

  /**
   * A lease that was overdue is never revived, and covers nothing more: a collector may have judged it dead in the meantime. The
   * storage's times tell it, because a machine that was suspended doesn't notice.
   */
  private hadRunOutBy(serverMs: number): boolean {
    const { store, leaseTtlMs, protocol } = this.context;
    if (!store.capabilities.serverTime || this.grantedServerMs === 0 || !protocol.neverReviveLease) return false;
    return serverMs - this.confirmedServerMs > leaseTtlMs;
  }

  private async put(): Promise<void> {
    const { store, clock } = this.context;
    const sentAtMs = clock.monotonicMs();
    await store.put(this.name, sealingOf(this.context).seal('lease', this.name, Buffer.from(JSON.stringify(this.content))));
    const stat = await store.stat(this.name);
    if (stat === undefined)
      throw new RahatError('storage_unreachable', `Storage ${store.description} does not show ${LEASES_PREFIX} files that it accepted.`);
    const serverMs = stat.modifiedAt.getTime();
    if (this.hadRunOutBy(serverMs)) {
      this.lost = true;
      return;
    }
    this.confirmedAtMs = sentAtMs;
    this.answeredAtMs = clock.monotonicMs();
    this.confirmedServerMs = serverMs;
  }
}
