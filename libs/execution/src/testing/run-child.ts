import { once } from 'node:events';
import { RahatError, type RunSecrets, type RunSpec } from '@rahat/contracts';
import { executeRun } from '../index.js';
import { runOptions } from './run-parts.js';

const [{ spec, secrets, scratchFolder }] = (await once(process, 'message')) as [
  { spec: RunSpec; secrets: RunSecrets; scratchFolder: string },
];
const stopping = new AbortController();
process.once('message', () => stopping.abort());
const options = runOptions(scratchFolder, {
  signal: stopping.signal,
  onLogCommitted: (committed) => process.send!({ committed }),
});
const outcome = await executeRun(spec, secrets, options).then(
  (evidence) => ({ evidence }),
  (error: unknown) => ({ error: RahatError.from(error).serialize() }),
);
process.send!(outcome, undefined, undefined, () => process.disconnect());
