import {
  ConnectionKeyName,
  ConnectionKeys,
  RahatError,
  type CloudAccount,
  type CloudAccountConnection,
  type PostgresqlConnection,
  type RunSecrets,
} from '@rahat/contracts';
import { sealFor, type SecretBox, type SecretPlace } from '@rahat/secrets';
import type { SchedulerConfig } from '../config.js';
import type { ServerRow } from './servers.table.js';

/** Opens what is sealed at rest and seals it again for one use by one worker pool; nothing else sees a password. */
export class ServerSecrets {
  constructor(
    private readonly secretBox: SecretBox,
    private readonly config: SchedulerConfig,
  ) {}

  sealPassword(organization: string, server: string, password: string): string {
    return this.secretBox.seal(password, placeOf(organization, server));
  }

  sealKeys(organization: string, server: string, keys: ConnectionKeys): { sealed: string | null; names: ConnectionKeyName[] } {
    const names = keyNames(keys);
    const sealed = names.length === 0 ? null : this.secretBox.seal(JSON.stringify(keys), keysPlaceOf(organization, server));
    return { sealed, names };
  }

  connectionOf(server: ServerRow): PostgresqlConnection {
    const { organization_id: organization, id, sealed_keys: sealedKeys } = server;
    const keys = sealedKeys === null ? {} : JSON.parse(this.secretBox.open(sealedKeys, keysPlaceOf(organization, id)).toString('utf8'));
    return {
      ...server.address,
      password: this.secretBox.open(server.sealed_password, placeOf(organization, id)).toString('utf8'),
      ...ConnectionKeys.parse(keys),
    };
  }

  /** A standby has the roles of its primary, and is reached in the same way. */
  standbysOf(server: ServerRow): PostgresqlConnection[] {
    const connection = this.connectionOf(server);
    return server.standbys.map(({ host, port }) => ({ ...connection, host, port }));
  }

  sealCloudSecret(server: { organization_id: string; id: string }, secret: string): string {
    return this.secretBox.seal(secret, cloudPlaceOf(server.organization_id, server.id));
  }

  cloudAccountOf(
    server: { organization_id: string; id: string },
    { account, sealed_secret: sealed }: { account: CloudAccount; sealed_secret: string | null },
  ): CloudAccountConnection {
    const { credentials } = account;
    if (credentials.source === 'environment') return { ...account, credentials };
    const secretAccessKey = this.secretBox.open(sealed ?? '', cloudPlaceOf(server.organization_id, server.id)).toString('utf8');
    return { ...account, credentials: { ...credentials, secretAccessKey } };
  }

  /** Of a plan's hook. */
  sealAuthorization(plan: { organization_id: string; id: string }, authorization: string): string {
    return this.secretBox.seal(authorization, { organization: plan.organization_id, record: plan.id, field: 'authorization' });
  }

  openAuthorization(plan: { organization_id: string; id: string }, sealed: string): string {
    return this.secretBox.open(sealed, { organization: plan.organization_id, record: plan.id, field: 'authorization' }).toString('utf8');
  }

  async sealForPool(pool: string, secrets: RunSecrets, binding: string): Promise<string> {
    return sealFor(this.publicKeyOf(pool), JSON.stringify(secrets), binding);
  }

  publicKeyOf(pool: string): string {
    const key = this.config.RAHAT_POOL_KEYS[pool];
    if (!key) {
      throw new RahatError('invalid_input', `There is no worker pool '${pool}'`, {
        hint: `Known pools: ${Object.keys(this.config.RAHAT_POOL_KEYS).join(', ')}. RAHAT_POOL_KEYS names their public keys.`,
      });
    }
    return key;
  }
}

export function keyNames(keys: ConnectionKeys): ConnectionKeyName[] {
  return ConnectionKeyName.options.filter((name) => keys[name] !== undefined);
}

function placeOf(organization: string, server: string): SecretPlace {
  return { organization, record: server, field: 'password' };
}

function keysPlaceOf(organization: string, server: string): SecretPlace {
  return { organization, record: server, field: 'keys' };
}

function cloudPlaceOf(organization: string, server: string): SecretPlace {
  return { organization, record: server, field: 'cloud-account' };
}
