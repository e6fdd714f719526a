import { RahatError, type AttemptResult, type HookInput, type RunSecrets, type RunSpec } from '@rahat/contracts';
import { maskSecrets, type LogLevel } from '@rahat/execution';
import type { OutgoingClient } from '@rahat/service-kit';
import type { LogLine } from '../attempts/child-messages.js';
import { callHook } from './http-hook.js';
import { runScript, type ScriptPlace } from './script-hook.js';

/** What a hook learns of the attempt, as a body or as environment. */
export interface HookFacts {
  event: HookInput['when'];
  run: string;
  attempt: number;
  server: string;
  database: string | null;
  /** Afterwards: how the attempt ended. */
  outcome: 'evidence' | 'error' | null;
  error: string | null;
}

export interface HookMeans {
  client: OutgoingClient;
  scripts: ScriptPlace | undefined;
  onLog(lines: LogLine[]): void;
}

/** The hooks of one attempt of a backup. They run in the worker and not in the run's child, which holds the secrets of the source. */
export class Hooks {
  private readonly hooks: readonly HookInput[];

  constructor(
    private readonly spec: RunSpec,
    private readonly secrets: RunSecrets,
    private readonly means: HookMeans,
  ) {
    this.hooks = spec.type === 'backup' ? (secrets.hooks ?? []) : [];
  }

  /** The error that keeps the backup from being made; one that its plan ignores is only logged. */
  async before(signal: AbortSignal): Promise<RahatError | undefined> {
    for (const hook of this.hooks.filter(({ when }) => when === 'before')) {
      const error = await this.perform(hook, this.facts('before', undefined), signal);
      if (signal.aborted) return RahatError.from(signal.reason);
      if (error && hook.onFailure === 'fail')
        return new RahatError('hook_failed', `The hook '${hook.name}' failed: ${this.masked(error.message)}`, {
          retryable: error.retryable,
        });
    }
    return undefined;
  }

  /** What fails here is told and changes nothing: the backup is made, or isn't. A cancelled attempt is neither success nor failure. */
  async after(result: AttemptResult, signal: AbortSignal): Promise<void> {
    if (result.outcome === 'cancelled') return;
    const when = result.outcome === 'evidence' ? 'after_success' : 'after_failure';
    for (const hook of this.hooks.filter((candidate) => candidate.when === when))
      await this.perform(hook, this.facts(when, result), signal);
  }

  private async perform(hook: HookInput, facts: HookFacts, signal: AbortSignal): Promise<RahatError | undefined> {
    this.log('info', `Hook '${hook.name}' (${hook.kind}) begins`);
    try {
      const said =
        hook.kind === 'http'
          ? await callHook(this.means.client, hook, facts, signal)
          : await runScript(this.means.scripts, hook, facts, signal);
      for (const line of said) this.log('info', `${hook.name}: ${line}`);
      this.log('info', `Hook '${hook.name}' is done`);
      return undefined;
    } catch (error) {
      const known = RahatError.from(error);
      this.log('warning', `Hook '${hook.name}' failed: ${known.message}`);
      return known;
    }
  }

  private facts(event: HookFacts['event'], result: AttemptResult | undefined): HookFacts {
    const { run, attempt } = this.spec;
    return {
      event,
      run,
      attempt,
      server: 'server' in this.spec ? this.spec.server.name : '',
      database: this.spec.type === 'backup' ? (this.spec.database?.name ?? null) : null,
      outcome: result === undefined || result.outcome === 'cancelled' ? null : result.outcome,
      error: result?.outcome === 'error' ? result.error.message : null,
    };
  }

  private log(level: LogLevel, message: string): void {
    this.means.onLog([{ at: new Date().toISOString(), level, message: this.masked(message) }]);
  }

  private masked(text: string): string {
    return maskSecrets(text, this.secrets);
  }
}
