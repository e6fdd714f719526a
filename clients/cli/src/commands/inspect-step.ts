import { RahatError, type RecoveryTarget } from '@rahat/contracts';
import { recoveryOf, type RecoveryOptions } from './recovery-options.js';

export type InspectStep = { kind: 'advance'; target: RecoveryTarget } | { kind: 'promote' } | { kind: 'quit' };

export const STEPS_HELP =
  'to-time <time>, to-lsn <position>, to-transaction <id>, to-name <name> or to-end go on to a later point (with "before" at the end: just before it); promote leaves the folder as a server of its own; quit ends';

/** What was typed while a server is looked at: the options of the command, without their dashes. */
export function inspectStep(line: string): InspectStep {
  const [, word = '', rest = ''] = /^\s*(\S+)\s*(.*?)\s*$/.exec(line) ?? [];
  if ((word === 'promote' || word === 'quit') && rest === '') return { kind: word };
  const target = recoveryOf(typedTarget(word, rest));
  if (!target) throw new RahatError('invalid_input', `"${line.trim()}" is not understood.`, { hint: STEPS_HELP });
  return { kind: 'advance', target };
}

function typedTarget(word: string, rest: string): RecoveryOptions {
  const none = { toEnd: false, before: false };
  if (word === 'to-end' && rest === '') return { ...none, toEnd: true };
  if (rest === '') return none;
  // A name may hold any word.
  if (word === 'to-name') return { ...none, toName: rest };
  const [, value = '', before] = /^(.*?)(\s+before)?$/.exec(rest) ?? [];
  const how = { ...none, before: before !== undefined };
  if (word === 'to-time') return { ...how, toTime: value };
  if (word === 'to-lsn') return { ...how, toLsn: value };
  return word === 'to-transaction' ? { ...how, toTransaction: value } : none;
}
