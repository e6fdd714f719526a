import path from 'node:path';
import { createSecretBox, openKeyFile, openPoolKey, type PoolKey, type SecretBox } from '@rahat/secrets';
import { openPrincipalKeys, type PrincipalKeys } from '@rahat/service-kit';
import type { DataFolder } from '../data-folder/data-folder.js';

/** Keys of this installation; made at the first start. */
export interface InstallationKeys {
  master: Buffer;
  masterKeyFile: string;
  secretBox: SecretBox;
  principals: PrincipalKeys;
  principalKeyFile: string;
  pool(name: string): Promise<PoolKey & { file: string }>;
}

export async function openInstallationKeys(folder: DataFolder): Promise<InstallationKeys> {
  const masterKeyFile = path.join(folder.keys, 'master.key');
  const master = await openKeyFile(masterKeyFile);
  return {
    master,
    masterKeyFile,
    secretBox: createSecretBox(master),
    principals: await openPrincipalKeys(folder.keys),
    principalKeyFile: path.join(folder.keys, 'principal-key.json'),
    async pool(name) {
      const file = path.join(folder.keys, `pool-${name}.key`);
      return { ...(await openPoolKey(file)), file };
    },
  };
}
