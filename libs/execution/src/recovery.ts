import type { LogRecovery, RestoreFacts } from '@rahat/connector-kit';
import type { Recovery, RecoveryEvidence } from '@rahat/contracts';
import type { ReadSession, Repository } from '@rahat/repository';
import { RepositoryLog } from './repository-log.js';
import type { ExecutionOptions } from './run-context.js';

/** What a connector needs to replay the log of a stream. */
export async function openRecovery(
  repository: Repository,
  { stream, target, timeline }: Recovery,
  reading: ReadSession,
  options: Pick<ExecutionOptions, 'signal' | 'onLog'>,
): Promise<LogRecovery> {
  const onDamage = (message: string) => options.onLog('warning', message);
  return { target, timeline, log: await RepositoryLog.open(repository, stream, reading, { signal: options.signal, onDamage }) };
}

export function recoveryEvidence(
  asked: Recovery | undefined,
  { recovery }: Pick<RestoreFacts, 'recovery'>,
): { recovery?: RecoveryEvidence } {
  return asked && recovery ? { recovery: { target: asked.target, ...recovery } } : {};
}
