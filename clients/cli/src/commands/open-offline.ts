import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import {
  createOfflineRepository,
  openOfflineRepository,
  readKitRepository,
  readPrintedKeys,
  type OfflineRepository,
} from '@rahat/execution';
import { isS3Address, RahatError } from '@rahat/contracts';
import { askCredential, readKeyFiles, type CredentialSource } from '../terminal/ask-credential.js';
import { askSecret } from '../terminal/ask-secret.js';

/** Where a repository lies, and what opens it. */
export interface Opening extends CredentialSource {
  path: string;
}

/** The same, where a recovery kit may say where it lies. */
export interface KitOpening extends CredentialSource {
  path?: string;
}

export const PASSPHRASE = { label: 'Passphrase of the repository', variable: 'RAHAT_PASSPHRASE' };
const OTHER_PASSPHRASE = { label: 'Passphrase of the other repository', variable: 'RAHAT_OTHER_PASSPHRASE' };

/** The repository's place (a folder, or s3://…) and what a person holds are enough; no platform is needed. */
export async function openOffline(opening: KitOpening): Promise<OfflineRepository> {
  return (await openLocated(opening)).repository;
}

export async function openLocated(opening: KitOpening): Promise<{ place: string; repository: OfflineRepository }> {
  const texts = opening.keyFile && (await readKeyFiles(opening.keyFile));
  const kit = texts && readKitRepository(texts);
  const place = opening.path ?? kit?.place;
  if (place === undefined)
    throw new RahatError('invalid_input', 'Where does the repository lie?', {
      hint: kit
        ? 'Give --path: the kit does not tell it letter by letter, or the kits do not say the same.'
        : 'Give --path, or a recovery kit with --kit.',
    });
  const credential = texts ? readPrintedKeys(texts) : await askCredential(opening, PASSPHRASE);
  const repository = await openOfflineRepository(existingPlace(place), credential);
  if (kit && kit.id !== repository.id)
    throw new RahatError('conflict', `At ${place} lies another repository than that of the kit (${kit.id}).`);
  return { place, repository };
}

/** The second repository of a command: its passphrase has a variable of its own. */
export async function openOther(place: string): Promise<OfflineRepository> {
  return openOfflineRepository(existingPlace(place), { type: 'passphrase', passphrase: await askSecret(OTHER_PASSPHRASE) });
}

/** A folder is made where it is missing; a place that holds a repository is refused. */
export async function createOffline(place: string, siblingPlace: string | undefined): Promise<OfflineRepository> {
  const sibling = siblingPlace === undefined ? undefined : await openOther(siblingPlace);
  if (!isS3Address(place)) await mkdir(path.resolve(place), { recursive: true });
  return createOfflineRepository(isS3Address(place) ? place : path.resolve(place), await askSecret(PASSPHRASE), sibling);
}

export function existingPlace(place: string): string {
  if (isS3Address(place)) return place;
  const folder = path.resolve(place);
  if (!existsSync(folder)) throw new RahatError('repository_not_found', `There is no folder ${folder}.`);
  return folder;
}
