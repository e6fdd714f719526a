import { assertTypeSupported, type Evidence, RahatError, type RunSecrets, type RunSpec } from '@rahat/contracts';
import { executeBackup } from './backup.js';
import { executeCollection } from './collection.js';
import { executeFollow } from './follow.js';
import { executeComparison } from './comparison.js';
import { maskSecrets } from './mask-secrets.js';
import { executeRebuild } from './rebuild.js';
import { executeRestore, executeSafetyCopy } from './restore.js';
import type { ExecutionOptions } from './run-context.js';
import { executeVerification } from './verification.js';

/**
 * Does what the spec says and gives the evidence of it; rejects with a RahatError, never with a secret in it. After an
 * abort it rejects with the signal's reason, or `cancelled`.
 */
export async function executeRun(spec: RunSpec, secrets: RunSecrets, options: ExecutionOptions): Promise<Evidence> {
  try {
    options.signal.throwIfAborted();
    if (spec.type === 'backup') assertTypeSupported(spec.method, spec.backupType ?? 'full');
    switch (spec.type) {
      case 'backup':
        return await executeBackup(spec, secrets, options);
      case 'verification':
        return await executeVerification(spec, secrets, options);
      case 'restore':
        return await executeRestore(spec, secrets, options);
      case 'safety-copy':
        return await executeSafetyCopy(spec, secrets, options);
      case 'collection':
        return await executeCollection(spec, secrets, options);
      case 'rebuild':
        return await executeRebuild(spec, secrets, options);
      case 'follow':
        return await executeFollow(spec, secrets, options);
      case 'comparison':
        return await executeComparison(spec, secrets, options);
    }
  } catch (error) {
    throw runError(error, secrets, options.signal);
  }
}

export function runError(error: unknown, secrets: RunSecrets, signal: AbortSignal): RahatError {
  if (signal.aborted) return signal.reason instanceof RahatError ? signal.reason : new RahatError('cancelled', 'The run was cancelled');
  const known = RahatError.from(error);
  const mask = (text: string) => maskSecrets(text, secrets);
  return new RahatError(known.code, mask(known.message), {
    hint: known.hint && mask(known.hint),
    retryable: known.retryable,
    cause: known.cause,
  });
}
