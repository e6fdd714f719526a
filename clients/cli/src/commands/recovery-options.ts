import type { RestorePlan } from '@rahat/api-client';
import { RahatError } from '@rahat/contracts';

export interface RecoveryOptions {
  server?: string;
  toTime?: string;
  toLsn?: string;
  toTransaction?: string;
  toName?: string;
  toEnd: boolean;
  before: boolean;
  timeline?: number;
}

type Target = NonNullable<RestorePlan['recovery']>['target'];

/** The one target that the options name; undefined = the backup as it is. */
export function recoveryOf(options: RecoveryOptions): Target | undefined {
  const inclusive = !options.before;
  const targets: Target[] = [];
  if (options.toTime !== undefined) targets.push({ kind: 'time', time: moment(options.toTime), inclusive });
  if (options.toLsn !== undefined) targets.push({ kind: 'lsn', lsn: options.toLsn.toUpperCase(), inclusive });
  if (options.toTransaction !== undefined) targets.push({ kind: 'transaction', transaction: options.toTransaction, inclusive });
  if (options.toName !== undefined) targets.push({ kind: 'name', name: options.toName });
  if (options.toEnd) targets.push({ kind: 'end' });
  if (targets.length > 1)
    throw new RahatError('invalid_input', 'Only one of --to-time, --to-lsn, --to-transaction, --to-name and --to-end can be the target.');
  return targets[0];
}

export function recoveryInWords({ target, timeline }: NonNullable<RestorePlan['recovery']>): string {
  return `${targetInWords(target)} on timeline ${timeline}`;
}

function targetInWords(target: Target): string {
  switch (target.kind) {
    case 'time':
      return `up to ${target.time}`;
    case 'lsn':
      return `up to ${target.lsn}`;
    case 'transaction':
      return `up to transaction ${target.transaction}`;
    case 'name':
      return `up to '${target.name}'`;
    case 'immediate':
      return 'until it is consistent';
    case 'end':
      return 'to its end';
  }
}

function moment(text: string): string {
  const time = new Date(text);
  if (Number.isNaN(time.getTime()))
    throw new RahatError('invalid_input', `"${text}" is no time.`, { hint: 'Write for example 2026-11-27T14:05:00+03:00.' });
  // Without a zone it would mean another moment on another machine.
  if (!/(Z|[+-]\d\d:?\d\d)$/.test(text))
    throw new RahatError('invalid_input', `"${text}" has no time zone.`, { hint: `Write ${text}Z for UTC, or ${text}+03:00.` });
  return /\.\d{4,}/.test(text) && text.endsWith('Z') ? text : time.toISOString();
}
