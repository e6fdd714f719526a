import type { Artifact, ArtifactPart, ArtifactSink, BackupFacts, ByteSpan, ComparableSource, WritableFile } from '@rahat/connector-kit';
import { RahatError } from '@rahat/contracts';
import type { Manifest, ReadSession, StoredObject, WriteSession } from '@rahat/repository';
import { z } from 'zod';
import type { PauseGate } from './pause-gate.js';

/** How the bytes of an execution flow: until they are cancelled, and not while it is paused. */
export interface Flow {
  signal: AbortSignal;
  gate?: PauseGate;
}

/** A connector's sink over a writing session; keeps what was written for the commit. */
export function repositorySink(session: WriteSession, { signal, gate }: Flow): ArtifactSink & { readonly objects: StoredObject[] } {
  const objects: StoredObject[] = [];
  const keys = new Set<string>();
  return {
    objects,
    async write(description, body, facts) {
      if (keys.has(description.key)) throw new RahatError('internal', `The connector wrote ${description.key} twice`);
      keys.add(description.key);
      const stored = await session.writeObject(description, gate ? gate.through(body, signal) : body, facts);
      objects.push(stored);
      return artifactOf(stored);
    },
  };
}

/** A committed snapshot as a connector sees it. Knows which objects were read to their end. */
export class SnapshotSource implements ComparableSource {
  readonly artifacts: readonly Artifact[];
  readonly facts: BackupFacts;
  /** Chunk ids are of a repository: the same id there means the same bytes. */
  readonly partsOf: string;
  readonly readKeys = new Set<string>();
  readBytes = 0;
  private readonly stored: Map<string, StoredObject>;

  constructor(
    readonly manifest: Manifest,
    private readonly session: ReadSession,
    /** `verifyChunks` recomputes every chunk's id besides the object's own hash. */
    private readonly options: Flow & { verifyChunks: boolean },
    readonly parent?: SnapshotSource,
  ) {
    this.stored = new Map(manifest.objects.map((object) => [object.key, object]));
    this.artifacts = manifest.objects.map(artifactOf).sort((left, right) => left.order - right.order);
    this.facts = factsOf(manifest);
    this.partsOf = manifest.repository;
  }

  async *read(artifact: Artifact): AsyncIterable<Buffer> {
    const { signal, gate } = this.options;
    const pieces = this.session.readObject(this.objectOf(artifact), this.options);
    for await (const bytes of gate ? gate.through(pieces, signal) : pieces) {
      this.readBytes += bytes.length;
      yield bytes;
    }
    this.readKeys.add(artifact.key);
  }

  parts(artifact: Artifact): AsyncIterable<ArtifactPart> {
    return this.session.objectChunks(this.objectOf(artifact), this.options);
  }

  async *readSpans(artifact: Artifact, spans: readonly ByteSpan[]): AsyncIterable<{ offset: number; bytes: Buffer }> {
    const { signal, gate } = this.options;
    for await (const piece of this.session.readSpans(this.objectOf(artifact), spans, this.options)) {
      await gate?.opened(signal);
      this.readBytes += piece.bytes.length;
      yield piece;
    }
  }

  async readInto(artifact: Artifact, file: WritableFile): Promise<void> {
    const { signal, gate } = this.options;
    const gated: WritableFile = {
      async writev(pieces, position) {
        await gate?.opened(signal);
        return file.writev(pieces, position);
      },
    };
    await this.session.readObjectInto(this.objectOf(artifact), gated, this.options);
    this.readBytes += artifact.sizeBytes;
    this.readKeys.add(artifact.key);
  }

  get unread(): Artifact[] {
    return this.artifacts.filter((artifact) => !this.readKeys.has(artifact.key));
  }

  private objectOf({ key }: Artifact): StoredObject {
    const object = this.stored.get(key);
    if (!object) throw new RahatError('internal', `Snapshot ${this.manifest.snapshot} has no object ${key}`);
    return object;
  }
}

function artifactOf(object: StoredObject): Artifact {
  const { recipe: _recipe, ...artifact } = object;
  return artifact;
}

const EvidenceFacts = z.object({
  cleanExit: z.boolean(),
  trailerSeen: z.boolean(),
  objectsExpected: z.number(),
  objectsFound: z.number(),
  rows: z.number(),
  bytes: z.number(),
});

/** What the connector said when the snapshot was made. */
export function factsOf(manifest: Manifest): BackupFacts {
  const evidence = EvidenceFacts.safeParse(manifest.evidence);
  if (!evidence.success)
    throw new RahatError('repository_damaged', `The manifest of snapshot ${manifest.snapshot} holds no evidence of its backup`, {
      cause: evidence.error,
    });
  const { server, tool, label, consistency, positions, consistentAt, findings } = manifest;
  return {
    identity: server.identity,
    serverVersion: server.version,
    tool,
    label,
    consistency,
    positions,
    consistentAt,
    findings,
    evidence: evidence.data,
  };
}
