import { RahatError } from '@rahat/contracts';
import { randomBytes } from 'node:crypto';
import { link, mkdir, open, unlink, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';

const HEADER = 'rahat-key-1 ';

/**
 * The 32 random bytes that a key file holds; made on first use. Two processes that make it at once agree on one of them.
 * A file that others could read is refused: whoever read it once has the key for ever.
 */
export async function openKeyFile(path: string): Promise<Buffer> {
  return (await readKey(path)) ?? (await makeKey(path));
}

/** The same of a file that must exist: who shares a key with others never makes one. */
export async function readKeyFile(path: string): Promise<Buffer> {
  const key = await readKey(path);
  if (key) return key;
  throw new RahatError('configuration_invalid', `There is no key file ${path}`, {
    hint: 'Put the key file of this installation there, or name another place.',
  });
}

async function readKey(path: string): Promise<Buffer | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new RahatError('configuration_invalid', `Could not read the key file ${path}: ${(error as Error).message}`, {
      hint: 'Let the user that runs Rahat Backup read it, or name another file.',
      cause: error,
    });
  }
  try {
    const { mode } = await file.stat();
    if ((mode & 0o077) !== 0) {
      throw new RahatError(
        'configuration_invalid',
        `Other users can get at the key file ${path} (mode ${(mode & 0o777).toString(8).padStart(4, '0')})`,
        {
          hint: `Run: chmod 600 '${path}'`,
        },
      );
    }
    return parseKey(await file.readFile('utf8'), path);
  } finally {
    await file.close();
  }
}

function parseKey(text: string, path: string): Buffer {
  const encoded = text.startsWith(HEADER) ? text.slice(HEADER.length).trim() : '';
  const key = Buffer.from(encoded, 'base64');
  if (key.length === 32 && key.toString('base64') === encoded) return key;
  throw new RahatError('configuration_invalid', `${path} is not a key file`, {
    hint: 'Put the right file back from your copy; what was sealed with it opens with nothing else.',
  });
}

async function makeKey(path: string): Promise<Buffer> {
  const draft = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const key = randomBytes(32);
    const file = await open(draft, 'wx', 0o600);
    try {
      await file.writeFile(`${HEADER}${key.toString('base64')}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await link(draft, path);
    const folder = await open(dirname(path), 'r');
    await folder.sync().finally(() => folder.close());
    return key;
  } catch (error) {
    const winner = (error as NodeJS.ErrnoException).code === 'EEXIST' ? await readKey(path) : undefined;
    if (winner) return winner;
    throw new RahatError('configuration_invalid', `Could not make the key file ${path}: ${(error as Error).message}`, {
      hint: 'Let the user that runs Rahat Backup write into its folder.',
      cause: error,
    });
  } finally {
    await unlink(draft).catch(() => undefined);
  }
}
