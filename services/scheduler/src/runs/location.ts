import type { Run } from '@rahat/contracts';

/** The part of the HTTP response that is needed to point at long work. */
export interface LocationResponse {
  setHeader(name: string, value: string): unknown;
}

/** 202 with a Location: the first run, whose neighbours stand in the body. */
export function announceRuns(response: LocationResponse, runs: Run[]): { runs: Run[] } {
  if (runs[0]) announceRun(response, runs[0]);
  return { runs };
}

export function announceRun(response: LocationResponse, run: Run): Run {
  response.setHeader('Location', `/api/v2/runs/${run.id}`);
  response.setHeader('Retry-After', '2');
  return run;
}
