import { RahatError, type StorageConnection, type StorageSettings } from '@rahat/contracts';
import type { SecretBox, SecretPlace } from '@rahat/secrets';

/** What can be shown and stored as it is, and what can't. */
export function splitSecret(connection: StorageConnection): { settings: StorageSettings; secret: string | null } {
  if (connection.driver !== 's3' || connection.credentials.source !== 'access-key') {
    return { settings: connection as StorageSettings, secret: null };
  }
  const { secretAccessKey, ...credentials } = connection.credentials;
  return { settings: { ...connection, credentials }, secret: secretAccessKey };
}

export function sealStorageSecret(box: SecretBox, organization: string, storage: string, secret: string | null): string | null {
  return secret === null ? null : box.seal(secret, placeOf(organization, storage));
}

interface SealedStorage {
  organization_id: string;
  storage_id: string;
  settings: StorageSettings;
  sealed_secret: string | null;
}

/** The settings with their secret, for a process of ours that is about to use the storage. */
export function connectionOf(box: SecretBox, { organization_id, storage_id, settings, sealed_secret }: SealedStorage): StorageConnection {
  if (settings.driver === 'local') return settings;
  const { credentials } = settings;
  if (credentials.source === 'environment') return { ...settings, credentials };
  if (sealed_secret === null) throw new RahatError('internal', 'The secret of a storage is missing.', { hint: 'Add the storage again.' });
  const secretAccessKey = box.open(sealed_secret, placeOf(organization_id, storage_id)).toString('utf8');
  return { ...settings, credentials: { ...credentials, secretAccessKey } };
}

function placeOf(organization: string, storage: string): SecretPlace {
  return { organization, record: storage, field: 'secretAccessKey' };
}
