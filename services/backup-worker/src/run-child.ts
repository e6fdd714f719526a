import { type AttemptResult, RahatError } from '@rahat/contracts';
import { executeRun, PauseGate, type ExecutionProgress, type LogCommitted, type TellFound } from '@rahat/execution';
import type { ExecuteOrder, FoundAnswer, FromChild, ToChild } from './attempts/child-messages.js';
import { PacedReports } from './attempts/paced-reports.js';
import { PushedSegments } from './log-pushes/pushed-segments.js';

const REPORT_INTERVAL_MS = 500;
/** After its worker died a run may still tidy up on the database server for this long. */
const ORPHAN_GRACE_MS = 5_000;

const abort = new AbortController();
// The worker ends a run by SIGTERM; a run without a worker has nobody to report to, and its attempt counts as lost.
process.on('SIGTERM', () => abort.abort(new RahatError('cancelled', 'The run was cancelled')));
process.on('SIGINT', () => undefined);
process.once('disconnect', () => {
  abort.abort(new RahatError('worker_lost', 'The worker of this run is gone'));
  setTimeout(() => process.exit(1), ORPHAN_GRACE_MS).unref();
});
const gate = new PauseGate();
const pushed = new PushedSegments(abort.signal);
const reports = new PacedReports(send, REPORT_INTERVAL_MS);
let progress: ExecutionProgress = { phase: 'starting', bytes: 0 };
process.on('message', (message: ToChild) => {
  switch (message.type) {
    case 'execute':
      void execute(message);
      return;
    case 'pause':
      gate.pause();
      reports.onProgress({ ...progress, phase: 'paused' });
      return;
    case 'resume':
      gate.resume();
      reports.onProgress(progress);
      return;
    case 'found-answer':
      foundAnswer?.(message.answer);
      return;
    case 'pushed':
      pushed.add(message.order);
  }
});
let foundAnswer: ((answer: FoundAnswer) => void) | undefined;
send({ type: 'ready' });

/** One page at a time: what the catalog has not taken yet is not read ahead of. */
const onFound: TellFound = async (snapshots, last, logs) => {
  const answered = new Promise<FoundAnswer>((resolve) => (foundAnswer = resolve));
  send({ type: 'found', snapshots, last, logs });
  const answer = await answered;
  if ('error' in answer) throw RahatError.deserialize(answer.error);
  return answer.told;
};

const onLogCommitted = ({ range, ...committed }: LogCommitted) =>
  send({ type: 'committed', committed: { ...committed, ranges: [range], at: new Date().toISOString() } });

async function execute({ type: _, spec, secrets, ...options }: ExecuteOrder): Promise<void> {
  const { onLog } = reports;
  const onProgress = (next: ExecutionProgress) => {
    progress = next;
    // What is still under way when the gate closes must not look as if the run went on.
    reports.onProgress(gate.paused ? { ...next, phase: 'paused' } : next);
  };
  const result = await executeRun(spec, secrets, {
    ...options,
    signal: abort.signal,
    gate,
    onProgress,
    onLog,
    onFound,
    onLogCommitted,
    pushedSegments: pushed,
  }).then(
    (evidence): AttemptResult => ({ outcome: 'evidence', evidence }),
    (error: unknown): AttemptResult => ({ outcome: 'error', error: RahatError.from(error).serialize() }),
  );
  reports.flush();
  // The channel is a pipe: leaving before the last message is out would lose the result.
  if (process.connected)
    await new Promise<void>((sent) => process.send?.({ type: 'result', result } satisfies FromChild, undefined, undefined, () => sent()));
  process.exit(0);
}

function send(message: FromChild): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}
