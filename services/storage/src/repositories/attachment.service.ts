import path from 'node:path';
import { openBlobStore } from '@rahat/blob-store-registry';
import { newId, RahatError, type AttachedRepository, type AttachRepository, type Principal } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import { openRepository, type CatalogEntry, type Repository, type RepositorySurvey } from '@rahat/repository';
import type { SecretBox } from '@rahat/secrets';
import { recordAct } from '@rahat/service-kit';
import type { StorageConfig } from '../config.js';
import { refusePlace } from '../storages/local-folder.js';
import { connectionOf } from '../storages/storage-secret.js';
import { storageOf } from '../storages/storages.service.js';
import { isFolderName } from './prefix.js';
import { presentRepository, refuseTaken, repositoryOf } from './repositories.service.js';
import { sealSecrets } from './repository-secrets.js';

/** Somebody waits for the answer: trouble is told after one more try. */
const AT_THE_FORM = { tries: 2 };
const LOOK_LIMIT_MS = 60_000;

/** Takes over repositories that another installation made, with what a person holds. The repository itself isn't changed. */
export class AttachmentService {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly outbox: Outbox,
    private readonly secretBox: SecretBox,
    private readonly config: StorageConfig,
  ) {}

  async attach(principal: Principal, request: AttachRepository): Promise<AttachedRepository> {
    const { organization } = principal;
    const { name, prefix } = request;
    if (!isFolderName(prefix)) throw new RahatError('invalid_input', `"${prefix}" cannot be a repository's folder.`);
    const storage = await this.database.inOrganization(organization, async (transaction) => {
      const found = await storageOf(transaction, request.storage);
      await refuseTaken(transaction, found, name, prefix);
      return found;
    });
    if (storage.settings.driver === 'local') refusePlace(path.join(storage.settings.path, prefix), this.config.RAHAT_DATA_FOLDER);
    // Opening takes long on purpose, and the storage may be far away: no transaction waits for either.
    const connection = connectionOf(this.secretBox, { ...storage, storage_id: storage.id });
    const repository = await openRepository(await openBlobStore(connection, prefix, AT_THE_FORM), request.wayIn);
    await this.database.asSystem('look whose a repository is', (transaction) => refuseAttached(transaction, repository.id, organization));
    const survey = await repository.survey({ signal: AbortSignal.timeout(LOOK_LIMIT_MS) });
    refuseUnreadable(survey);
    const row = await this.database.inOrganization(organization, async (transaction) => {
      await refuseTaken(transaction, storage, name, prefix);
      const id = await this.insert(transaction, organization, { ...request, repository });
      await recordAct(this.outbox, transaction, principal, {
        action: 'repository.attached',
        target: { kind: 'repository', id, name },
        details: { storage: storage.id, prefix, repositoryId: repository.id, snapshots: survey.snapshots, wayIn: request.wayIn.type },
      });
      return repositoryOf(transaction, id);
    });
    return { ...presentRepository(row), ...presentSurvey(survey) };
  }

  private async insert(
    transaction: Transaction,
    organization: string,
    { name, storage, prefix, repository }: AttachRepository & { repository: Repository },
  ): Promise<string> {
    const id = newId('repository');
    const sealed = sealSecrets(this.secretBox, organization, id, repository.exportSecrets());
    const rows = await transaction.query(
      `INSERT INTO repositories (id, organization_id, storage_id, name, prefix, repository_id, sealed_master_key, sealed_identity_secret, attached_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now()) ON CONFLICT (repository_id) DO NOTHING RETURNING id`,
      [id, organization, storage, name, prefix, repository.id, sealed.masterKey, sealed.identitySecret],
    );
    // Somebody attached it at another place at this very moment.
    if (rows.length === 0) throw alreadyHere();
    return id;
  }
}

/** Across organizations: a repository is in one catalog, and under one retention. */
async function refuseAttached(transaction: Transaction, repositoryId: string, organization: string): Promise<void> {
  const [other] = await transaction.query<{ organization_id: string; name: string }>(
    `SELECT organization_id, name FROM repositories WHERE repository_id = $1`,
    [repositoryId],
  );
  if (other === undefined) return;
  if (other.organization_id !== organization) throw alreadyHere();
  throw new RahatError('repository_exists', `It is the repository "${other.name}", which is attached already, or a copy of it.`, {
    hint: 'For a second copy, make a repository at the other place and copy the snapshots there.',
  });
}

function alreadyHere(): RahatError {
  return new RahatError('repository_exists', 'This repository belongs to this installation already.', {
    hint: 'The repository was not changed.',
  });
}

/** One damaged manifest is told; where none can be read there is nothing to take over. */
function refuseUnreadable({ newest }: RepositorySurvey): void {
  const [first] = newest;
  if (first === undefined || newest.some(({ ok }) => ok)) return;
  throw new RahatError(
    'repository_damaged',
    `None of the ${newest.length} newest snapshots can be read; ${first.id}: ${messageOf(first)}`,
    {
      hint: 'Check the repository: rahat-backup repository check --path …',
    },
  );
}

function presentSurvey({
  snapshots,
  sessions,
  newest,
}: RepositorySurvey): Omit<AttachedRepository, keyof ReturnType<typeof presentRepository>> {
  const writers = new Map<string, AttachedRepository['writers'][number]>();
  for (const entry of newest) {
    if (!entry.ok) continue;
    const { writer, organization, createdAt } = entry.facts;
    const key = `${organization} ${writer}`;
    const known = writers.get(key);
    if (!known || known.lastAt < createdAt) writers.set(key, { writer, organization, lastAt: createdAt });
  }
  return {
    snapshots,
    unreadable: newest.filter(({ ok }) => !ok).map((entry) => ({ snapshot: entry.id, message: messageOf(entry) })),
    sessions: sessions.map(({ kind, holder, beganAt }) => ({ kind, holder, beganAt: beganAt.toISOString() })),
    writers: [...writers.values()],
  };
}

function messageOf(entry: CatalogEntry): string {
  return entry.ok ? '' : entry.error.message;
}
