import { RahatError } from '@rahat/contracts';
import type { RepositoryContext } from '../context.js';
import { openLog } from '../logs/log-files.js';
import type { LogManifest } from '../logs/log-manifest.js';
import { contains } from '../logs/log-merging.js';
import { logIdOf, logPlace, streamPrefix } from '../logs/log-names.js';
import { listManifestFiles } from '../manifests/listed-manifests.js';
import { manifestConflict } from '../writing/publish-manifest.js';

/** What the target has of the logs that are copied: under the same name, or merged into another one by its own collection. */
export class StandingLogs {
  private stream: string | undefined;
  private ids: string[] = [];
  private lastRead: LogManifest | undefined;

  constructor(private readonly target: RepositoryContext) {}

  /** Told by the plaintext of its objects. Another content under the same name is a `conflict`. Asked stream by stream it lists each once. */
  async has(manifest: LogManifest): Promise<boolean> {
    if (this.stream !== manifest.stream) await this.listStream(manifest.stream);
    const own = logIdOf(manifest.stream, manifest);
    const covering = this.ids.filter((id) => {
      const { first, last } = logPlace(id);
      return first <= manifest.first && last >= manifest.last;
    });
    for (const id of covering) {
      const standing = await this.read(id);
      if (standing && contains(standing, manifest)) return true;
      if (standing && id === own) throw manifestConflict(id);
    }
    return false;
  }

  private async listStream(stream: string): Promise<void> {
    this.stream = stream;
    this.ids = await Array.fromAsync(listManifestFiles(this.target.store, [streamPrefix(stream)]), ({ id }) => id);
  }

  private async read(id: string): Promise<LogManifest | undefined> {
    if (this.lastRead && logIdOf(this.lastRead.stream, this.lastRead) === id) return this.lastRead;
    try {
      return (this.lastRead = openLog(this.target, id, await this.target.store.get(id)));
    } catch (error) {
      if (error instanceof RahatError && error.code === 'blob_not_found') return undefined;
      throw error;
    }
  }
}
