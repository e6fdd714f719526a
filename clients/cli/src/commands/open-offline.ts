import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { createOfflineRepository, openOfflineRepository, type OfflineRepository } from '@rahat/execution';
import { isS3Address, RahatError } from '@rahat/contracts';
import { askCredential, type CredentialSource } from '../terminal/ask-credential.js';
import { askSecret } from '../terminal/ask-secret.js';

/** Where a repository lies, and what opens it. */
export interface Opening extends CredentialSource {
  path: string;
}

export const PASSPHRASE = { label: 'Passphrase of the repository', variable: 'RAHAT_PASSPHRASE' };
const OTHER_PASSPHRASE = { label: 'Passphrase of the other repository', variable: 'RAHAT_OTHER_PASSPHRASE' };

/** The repository's place (a folder, or s3://…) and what a person holds are enough; no platform is needed. */
export async function openOffline(opening: Opening): Promise<OfflineRepository> {
  return openOfflineRepository(existingPlace(opening.path), await askCredential(opening, PASSPHRASE));
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
