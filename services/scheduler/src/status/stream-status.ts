import type { LogStream, Status } from '@rahat/contracts';

/** A log that is behind, or that nobody follows, is seen where its databases are. */
export function withStreams(
  summary: Pick<Status, 'healthy' | 'sentence'>,
  streams: readonly LogStream[],
): Pick<Status, 'healthy' | 'sentence'> {
  const bad = streams.filter(({ state }) => state === 'lagging' || state === 'broken');
  if (bad.length === 0) return summary;
  const named = bad.map(({ serverName, state }) => `the log of ${serverName} is ${state}`).join(', ');
  return { healthy: false, sentence: `${summary.sentence} And ${named}.` };
}
