import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { RahatError } from '@rahat/contracts';
import { z } from 'zod';

const Settings = z.object({ url: z.string(), token: z.string().optional() });
type Settings = z.infer<typeof Settings>;

const KEYRING_SERVICE = 'rahat-backup';
const DEFAULT_URL = 'http://127.0.0.1:8420';

export interface Login {
  url: string;
  token: string | undefined;
  /** For `config`: where the two came from. */
  urlFrom: string;
  tokenFrom: string;
}

export function settingsFile(): string {
  return path.join(process.env['XDG_CONFIG_HOME'] ?? path.join(os.homedir(), '.config'), 'rahat-backup', 'cli.json');
}

/** Environment first, then what `login` kept, then the installation in this folder. */
export async function findLogin(): Promise<Login> {
  const kept = await readSettings();
  const url = process.env['RAHAT_URL'] ?? kept?.url ?? (await runningHere()) ?? DEFAULT_URL;
  const urlFrom = process.env['RAHAT_URL'] ? 'RAHAT_URL' : kept ? settingsFile() : 'default';
  const fromEnvironment = process.env['RAHAT_TOKEN'] ?? (await readTokenFile());
  if (fromEnvironment) return { url, token: fromEnvironment, urlFrom, tokenFrom: 'environment' };
  // A kept token belongs to the address it was made at, and is never sent to another one.
  if (!kept || kept.url !== url) return { url, token: undefined, urlFrom, tokenFrom: 'none' };
  if (kept.token) return { url, token: kept.token, urlFrom, tokenFrom: settingsFile() };
  const entry = await keyring(url);
  const token = entry && attempt(() => entry.getPassword());
  return { url, token: token ?? undefined, urlFrom, tokenFrom: token ? 'keychain' : 'none' };
}

/** Keeps the token in the system's keychain, else in a file that only the user can read. Says which. */
export async function keepLogin(url: string, token: string): Promise<string> {
  const entry = await keyring(url);
  const inKeychain = entry !== undefined && attempt(() => (entry.setPassword(token), true)) === true;
  await writeSettings(inKeychain ? { url } : { url, token });
  return inKeychain ? 'the system keychain' : `${settingsFile()} (no keychain here; only you can read that file)`;
}

export async function forgetLogin(): Promise<void> {
  const kept = await readSettings();
  if (kept) {
    const entry = await keyring(kept.url);
    if (entry) attempt(() => entry.deletePassword());
  }
  await rm(settingsFile(), { force: true });
}

async function readTokenFile(): Promise<string | undefined> {
  const file = process.env['RAHAT_TOKEN_FILE'];
  return file ? (await readFile(file, 'utf8')).trim() : undefined;
}

async function readSettings(): Promise<Settings | undefined> {
  const file = settingsFile();
  if (!existsSync(file)) return undefined;
  try {
    return Settings.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (cause) {
    throw new RahatError('configuration_invalid', `The settings in ${file} cannot be read.`, {
      hint: 'Run `rahat-backup login` again; it writes them anew.',
      cause,
    });
  }
}

async function writeSettings(settings: Settings): Promise<void> {
  const file = settingsFile();
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  await writeFile(file, `${JSON.stringify(settings, null, 2)}\n`, { mode: 0o600 });
  await chmod(file, 0o600);
}

/** `npm start` leaves its address in the data folder. */
async function runningHere(): Promise<string | undefined> {
  const file = path.join(process.env['RAHAT_DATA_DIR'] ?? path.resolve('.data'), 'runtime.json');
  try {
    return z.object({ url: z.string() }).parse(JSON.parse(await readFile(file, 'utf8'))).url;
  } catch {
    return undefined;
  }
}

async function keyring(url: string) {
  try {
    const { Entry } = await import('@napi-rs/keyring');
    return new Entry(KEYRING_SERVICE, url);
  } catch {
    // No secret service on this machine (servers, containers).
    return undefined;
  }
}

/** A locked or absent keychain counts as an empty one. */
function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}
