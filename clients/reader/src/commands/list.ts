import { bytesText, writeJson, writeTable } from '../output.js';
import { messageOf } from '../reader-error.js';
import type { Repository } from '../repository.js';

interface Listed {
  id: string;
  inTrash: boolean;
  createdAt?: string;
  server?: string;
  database?: string;
  method?: string;
  sizeBytes?: number;
  objects?: number;
  /** Why it can't be read. */
  error?: string;
}

/** Prints every snapshot, oldest first, those in the trash too. False where one can't be read. */
export async function listSnapshots(repository: Repository, json: boolean): Promise<boolean> {
  const listed: Listed[] = [];
  for (const file of await repository.snapshotFiles()) {
    try {
      const { createdAt, method, serverName, databaseName, objects } = await repository.manifest(file);
      const sizeBytes = objects.reduce((sum, object) => sum + object.sizeBytes, 0);
      listed.push({
        id: file.id,
        inTrash: file.inTrash,
        createdAt,
        server: serverName,
        database: databaseName,
        method,
        sizeBytes,
        objects: objects.length,
      });
    } catch (error) {
      listed.push({ id: file.id, inTrash: file.inTrash, error: messageOf(error) });
    }
  }
  listed.sort((left, right) => (left.createdAt ?? '').localeCompare(right.createdAt ?? ''));
  if (json) await writeJson(listed);
  else await writeTable([['SNAPSHOT', 'CREATED', 'SERVER', 'DATABASE', 'METHOD', 'OBJECTS', 'SIZE', ''], ...listed.map(row)]);
  return listed.every(({ error }) => error === undefined);
}

function row({ id, inTrash, createdAt = '', server = '', database, method = '', sizeBytes, objects, error }: Listed): string[] {
  const notes = [...(inTrash ? ['in the trash'] : []), ...(error === undefined ? [] : [`DAMAGED: ${error}`])].join(', ');
  const size = sizeBytes === undefined ? '' : bytesText(sizeBytes);
  const scope = error === undefined ? (database ?? '(whole server)') : '';
  return [id, createdAt, server, scope, method, String(objects ?? ''), size, notes];
}
