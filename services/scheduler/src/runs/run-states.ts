import type { RunState } from '@rahat/contracts';

/** Who may cause a transition (design.md §6). */
export type Cause = 'tick' | 'person' | 'worker' | 'reconciler';

interface Transition {
  from: RunState;
  to: RunState;
  by: readonly Cause[];
}

/** The whole life of a run, as data. `queued → queued` never stands here: a new attempt is a new row of `attempts`. */
export const TRANSITIONS: readonly Transition[] = [
  { from: 'expected', to: 'due', by: ['tick'] },
  { from: 'expected', to: 'missed', by: ['tick'] },
  { from: 'expected', to: 'skipped', by: ['tick'] },
  { from: 'due', to: 'queued', by: ['tick'] },
  { from: 'due', to: 'missed', by: ['tick'] },
  { from: 'due', to: 'skipped', by: ['tick'] },
  { from: 'due', to: 'cancelled', by: ['person', 'tick'] },
  { from: 'queued', to: 'running', by: ['worker'] },
  { from: 'queued', to: 'cancelled', by: ['person', 'worker', 'tick'] },
  { from: 'queued', to: 'failed', by: ['tick'] },
  { from: 'running', to: 'queued', by: ['worker', 'reconciler'] },
  { from: 'running', to: 'succeeded', by: ['worker'] },
  { from: 'running', to: 'partial', by: ['worker'] },
  { from: 'running', to: 'failed', by: ['worker', 'reconciler'] },
  { from: 'running', to: 'cancelled', by: ['worker', 'reconciler'] },
];

export const ALL_STATES: readonly RunState[] = [
  'expected',
  'due',
  'queued',
  'running',
  'succeeded',
  'partial',
  'failed',
  'cancelled',
  'missed',
  'skipped',
];

/** States that nothing leads out of. */
export const TERMINAL_STATES = ALL_STATES.filter((state) => !TRANSITIONS.some((transition) => transition.from === state));

/** States from which `cause` may bring a run to `to`: the WHERE of every UPDATE of a state. */
export function statesBefore(to: RunState, cause: Cause): RunState[] {
  return TRANSITIONS.filter((transition) => transition.to === to && transition.by.includes(cause)).map((transition) => transition.from);
}

export function isTerminal(state: RunState): boolean {
  return TERMINAL_STATES.includes(state);
}
