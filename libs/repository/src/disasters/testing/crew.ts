import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { StorageConnection } from '@rahat/contracts';
import type { Repository } from '../../repository.js';
import type { Orders, Report } from './crew-orders.js';

const CHILD = path.join(import.meta.dirname, '../../../dist/disasters/testing/crew-child.js');

/** One process at work in a repository. */
export class CrewMember {
  readonly reports: Report[] = [];
  private waiting: (() => void)[] = [];
  private readonly closed: Promise<unknown>;

  constructor(
    private readonly child: ChildProcess,
    orders: Orders,
    onReport: (report: Report) => void,
  ) {
    const lines = createInterface({ input: child.stdout! });
    lines.on('line', (line) => {
      const report = JSON.parse(line) as Report;
      this.reports.push(report);
      onReport(report);
      this.wake();
    });
    this.closed = Promise.all([once(child, 'close'), once(lines, 'close')]).finally(() => this.wake());
    // A process that was killed at once doesn't read them.
    child.stdin!.on('error', () => undefined).write(`${JSON.stringify(orders)}\n`);
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.closed;
  }

  /** Its orders were limited: waits for its end and gives all that it said. */
  async ended(): Promise<Report[]> {
    await this.closed;
    return this.reports;
  }

  async stopped(): Promise<void> {
    while (!/^T/.test(spawnSync('ps', ['-o', 'stat=', '-p', String(this.child.pid)], { encoding: 'utf8' }).stdout)) {
      if (this.child.exitCode !== null) throw new Error(`It ended without having stopped: ${JSON.stringify(this.reports)}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** For a choir. */
  commit(): void {
    this.child.stdin!.write('\n');
  }

  goOn(): void {
    this.child.kill('SIGCONT');
  }

  async saidMoreThan(reports: number): Promise<void> {
    while (this.reports.length <= reports) {
      if (this.child.exitCode !== null) throw new Error(`It ended without a word: ${JSON.stringify(this.reports)}`);
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  private wake(): void {
    this.waiting.splice(0).forEach((resolve) => resolve());
  }
}

/** Processes that share one repository, and what they promised of it. */
export class Crew implements AsyncDisposable {
  /** Snapshots whose commit was reported, with the seed of their content, but for those that somebody began to remove. */
  readonly expected = new Map<string, number>();
  readonly reports: Report[] = [];
  private readonly members = new Set<CrewMember>();
  private readonly removed = new Map<string, number>();

  constructor(
    private readonly place: StorageConnection,
    private readonly repository: Repository,
    readonly leaseTtlMs: number,
  ) {}

  hire(orders: Pick<Orders, 'role' | 'seed'> & Partial<Orders>): CrewMember {
    if (!existsSync(CHILD)) throw new Error(`${CHILD} is missing: build first.`);
    const { masterKey, identitySecret } = this.repository.exportSecrets();
    const secrets = { masterKey: masterKey.toString('base64'), identitySecret: identitySecret.toString('base64') };
    const { place, leaseTtlMs } = this;
    const child = spawn(process.execPath, [CHILD], { stdio: ['pipe', 'pipe', 'inherit'] });
    const all = { place, secrets, leaseTtlMs, name: `${orders.role}-${orders.seed}`, clockOffsetMs: 0, ...orders };
    const member = new CrewMember(child, all, (report) => this.note(report));
    this.members.add(member);
    return member;
  }

  async kill(member: CrewMember): Promise<void> {
    this.members.delete(member);
    await member.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.members].map((member) => this.kill(member)));
  }

  private note(report: Report): void {
    this.reports.push(report);
    if (report.type === 'committed') this.expected.set(report.snapshot, report.seed);
    if (report.type === 'removing') {
      this.removed.set(report.snapshot, this.expected.get(report.snapshot)!);
      this.expected.delete(report.snapshot);
    }
    if (report.type === 'brought-back') this.expected.set(report.snapshot, this.removed.get(report.snapshot)!);
  }
}
