import type { SecretBox, SecretPlace } from '@rahat/secrets';

export interface RepositorySecrets {
  masterKey: Buffer;
  identitySecret: Buffer;
}

/** Bound to organization and repository: a sealed value copied into another row doesn't open. */
export function sealSecrets(
  box: SecretBox,
  organization: string,
  repository: string,
  secrets: RepositorySecrets,
): { masterKey: string; identitySecret: string } {
  return {
    masterKey: box.seal(secrets.masterKey, placeOf(organization, repository, 'masterKey')),
    identitySecret: box.seal(secrets.identitySecret, placeOf(organization, repository, 'identitySecret')),
  };
}

export function openSecrets(
  box: SecretBox,
  row: { id: string; organization_id: string; sealed_master_key: string; sealed_identity_secret: string },
): RepositorySecrets {
  return {
    masterKey: box.open(row.sealed_master_key, placeOf(row.organization_id, row.id, 'masterKey')),
    identitySecret: box.open(row.sealed_identity_secret, placeOf(row.organization_id, row.id, 'identitySecret')),
  };
}

function placeOf(organization: string, repository: string, field: keyof RepositorySecrets): SecretPlace {
  return { organization, record: repository, field };
}
