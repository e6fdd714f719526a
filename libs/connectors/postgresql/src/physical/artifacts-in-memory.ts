import { createHash } from 'node:crypto';
import type { Artifact, ArtifactFacts, ArtifactSink, ArtifactSource, BackupFacts } from '@rahat/connector-kit';

/** The repository's part in this folder's specs: keeps what a backup writes, and lets a test damage it. */
export class ArtifactsInMemory implements ArtifactSink, ArtifactSource {
  artifacts: Artifact[] = [];
  facts!: BackupFacts;
  readonly bytes = new Map<string, Buffer>();
  /** Called for each piece as it is taken in. */
  onPiece: () => Promise<void> | void = () => undefined;

  async write(
    description: Pick<Artifact, 'key' | 'kind' | 'order' | 'class'>,
    body: AsyncIterable<Uint8Array>,
    facts?: () => ArtifactFacts,
  ): Promise<Artifact> {
    if (this.bytes.has(description.key)) throw new Error(`"${description.key}" was written twice`);
    const pieces: Buffer[] = [];
    for await (const piece of body) {
      await this.onPiece();
      pieces.push(Buffer.from(piece));
    }
    const bytes = Buffer.concat(pieces);
    this.bytes.set(description.key, bytes);
    const artifact = { ...description, sizeBytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex'), ...facts?.() };
    this.artifacts.push(artifact);
    return artifact;
  }

  async *read(artifact: Artifact): AsyncGenerator<Buffer> {
    const bytes = this.bytes.get(artifact.key);
    if (!bytes) throw new Error(`"${artifact.key}" was never written`);
    for (let at = 0; at < bytes.length; at += 1 << 20) yield bytes.subarray(at, at + (1 << 20));
  }

  /** As a repository would hand over bytes that were damaged before it hashed them. */
  flipByte(key: string, at: number): void {
    const bytes = this.bytes.get(key);
    if (!bytes) throw new Error(`"${key}" was never written`);
    bytes[at] = (bytes[at] ?? 0) ^ 0x01;
  }

  drop(key: string): void {
    this.bytes.delete(key);
    this.artifacts = this.artifacts.filter((artifact) => artifact.key !== key);
  }
}
