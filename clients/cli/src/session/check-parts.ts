import { mkdir, readFile, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { RahatError } from '@rahat/contracts';
import { z } from 'zod';

/** Which part of each repository was read last, by its id: so that checks of a share go through all of it. */
const CheckedParts = z.record(z.string(), z.object({ part: z.number().int(), of: z.number().int() }));
type CheckedParts = z.infer<typeof CheckedParts>;

export interface Share {
  part: number;
  of: number;
}

/**
 * `1/10` names a part; `10%` is the next tenth after the one that was read last on this machine, or any where nothing is known.
 * Rejects with `invalid_input`.
 */
export async function chooseShare(text: string, repositoryId: string): Promise<Share> {
  const part = /^(\d+)\/(\d+)$/.exec(text);
  if (part) return { part: Number(part[1]), of: Number(part[2]) };
  const percent = Number(/^(\d+(?:\.\d+)?)%$/.exec(text)?.[1]);
  if (!(percent >= 0.01 && percent <= 100)) {
    throw new RahatError('invalid_input', `"${text}" is no share of a repository.`, {
      hint: 'Write 3/10 for the third of ten parts, or 10% for the next tenth.',
    });
  }
  const of = Math.ceil(100 / percent);
  const last = (await readParts())[repositoryId];
  return { part: last?.of === of ? (last.part % of) + 1 : 1 + Math.floor(Math.random() * of), of };
}

/** Only after a check that came to its end: a part that wasn't read whole comes again. */
export async function keepCheckedShare(repositoryId: string, share: Share): Promise<void> {
  const file = stateFile();
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  await writeFile(file, JSON.stringify({ ...(await readParts()), [repositoryId]: share }), { mode: 0o600 });
}

/** A lost or damaged file only makes the next check begin anywhere. */
async function readParts(): Promise<CheckedParts> {
  const text = await readFile(stateFile(), 'utf8').catch(() => '{}');
  try {
    return CheckedParts.parse(JSON.parse(text));
  } catch {
    return {};
  }
}

function stateFile(): string {
  return path.join(process.env['XDG_STATE_HOME'] ?? path.join(os.homedir(), '.local', 'state'), 'rahat-backup', 'checked-parts.json');
}
