import { createHash } from 'node:crypto';
import type { Artifact, ArtifactFacts, ArtifactSink, ArtifactSource, BackupFacts, WritableFile } from '@rahat/connector-kit';

const PIECE_BYTES = 1 << 20;

/** The repository's part in this folder's specs: keeps what a backup writes, and lets a test damage it. */
export class ArtifactsInMemory implements ArtifactSink, ArtifactSource {
  artifacts: Artifact[] = [];
  facts!: BackupFacts;
  parent?: ArtifactSource;
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

  /** Lends its pieces: whoever keeps one finds it full of zeros. */
  async *read(artifact: Artifact): AsyncGenerator<Buffer> {
    const bytes = this.bytesOf(artifact.key);
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      const piece = Buffer.from(bytes.subarray(at, at + PIECE_BYTES));
      yield piece;
      piece.fill(0);
    }
  }

  async readInto(artifact: Artifact, file: WritableFile): Promise<void> {
    const bytes = this.bytesOf(artifact.key);
    for (let at = 0; at < bytes.length;) at += (await file.writev([bytes.subarray(at, at + PIECE_BYTES)], at)).bytesWritten;
  }

  /** As a repository would hand over bytes that were damaged before it hashed them. */
  flipByte(key: string, at: number): void {
    const bytes = this.bytesOf(key);
    bytes[at] = (bytes[at] ?? 0) ^ 0x01;
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    this.artifacts = this.artifacts.map((artifact) => (artifact.key === key ? { ...artifact, sha256 } : artifact));
  }

  drop(key: string): void {
    this.bytes.delete(key);
    this.artifacts = this.artifacts.filter((artifact) => artifact.key !== key);
  }

  private bytesOf(key: string): Buffer {
    const bytes = this.bytes.get(key);
    if (!bytes) throw new Error(`"${key}" was never written`);
    return bytes;
  }
}
