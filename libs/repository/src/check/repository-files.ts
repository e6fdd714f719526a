import { RahatError } from '@rahat/contracts';
import type { RepositoryContext } from '../context.js';
import { openConfig } from '../descriptor/config.js';
import { assertCollectionReadable } from '../collection/collection-files.js';
import { parseKeyslot } from '../keys/keyslot-file.js';
import { COLLECTIONS_PREFIX, CONFIG_NAME, DESCRIPTOR_NAME, KEYS_PREFIX, LEASES_PREFIX } from '../layout.js';
import { openLease } from '../leases/lease.js';
import type { Report } from './indexed-packs.js';

/** Everything but packs, index and manifests. The repository may have been opened long before. */
export async function checkRepositoryFiles(context: RepositoryContext, now: () => Date, report: Report): Promise<void> {
  await checkDescription(context, report);
  await checkKeyslots(context, report);
  await checkCollections(context, report);
  await checkLeases(context, now(), report);
}

async function checkDescription(context: RepositoryContext, report: Report): Promise<void> {
  const { store, config, repositoryId, keys } = context;
  await examine(DESCRIPTOR_NAME, report, async () => {
    if (!(await store.get(DESCRIPTOR_NAME)).equals(Buffer.from(config.descriptor)))
      report('damage', DESCRIPTOR_NAME, 'File rahat.json differs from the copy in the sealed configuration.');
  });
  await examine(CONFIG_NAME, report, async () => {
    const { packPublicKey } = openConfig(keys.metadata, repositoryId, await store.get(CONFIG_NAME));
    if (packPublicKey !== config.packPublicKey)
      report('damage', CONFIG_NAME, 'The configuration names another public key than when the repository was opened.');
  });
}

async function checkKeyslots(context: RepositoryContext, report: Report): Promise<void> {
  let own = 0;
  for await (const { name } of context.store.list(KEYS_PREFIX)) {
    await examine(name, report, async () => {
      const slot = parseKeyslot(name, await context.store.get(name));
      if (slot.repository !== context.repositoryId.toString('hex')) report('notice', name, 'The keyslot belongs to another repository.');
      else if (`${KEYS_PREFIX}${slot.id}` !== name) report('notice', name, `The file is a copy of keyslot ${slot.id}.`);
      else own++;
    });
  }
  if (own === 0) report('damage', KEYS_PREFIX, 'No keyslot is left that opens this repository; add one before its secrets are lost.');
}

async function checkCollections(context: RepositoryContext, report: Report): Promise<void> {
  for await (const { name } of context.store.list(COLLECTIONS_PREFIX)) {
    await examine(name, report, () => assertCollectionReadable(context, name));
  }
}

async function checkLeases(context: RepositoryContext, now: Date, report: Report): Promise<void> {
  for await (const { name, modifiedAt } of context.store.list(LEASES_PREFIX)) {
    const asNotice: Report = (_, file, message) => report('notice', file, message);
    await examine(
      name,
      asNotice,
      async () => {
        const { kind, holder, ttlMs } = openLease(context, name, await context.store.get(name));
        if (now.getTime() - modifiedAt.getTime() > ttlMs)
          report('notice', name, `Expired lease of a ${kind} (${holder}): it ended without closing its session.`);
      },
      { mayVanish: true },
    );
  }
}

/** Damage of the file is reported, and a keyslot of a newer version, which is whole, as a notice; a storage that doesn't answer is no statement about the file. */
async function examine(name: string, report: Report, look: () => Promise<unknown>, { mayVanish = false } = {}): Promise<void> {
  try {
    await look();
  } catch (error) {
    const { code, message } = RahatError.from(error);
    if (code === 'blob_not_found') {
      if (!mayVanish) report('damage', name, `File ${name} is missing.`);
    } else if (code === 'repository_unsupported' && name.startsWith(KEYS_PREFIX)) report('notice', name, message);
    else if (code.startsWith('repository_')) report('damage', name, message);
    else throw error;
  }
}
