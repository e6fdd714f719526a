import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { Artifact, Job } from '@rahat/connector-kit';
import { RahatError } from '@rahat/contracts';
import { type BackupChain, type BackupLink, provenFile, readOfLink } from './backup-chain.js';
import type { ManifestFile } from './backup-manifest.js';
import { holdsNoBlock, incrementalPath, type IncrementalHeader, parseIncrementalHeader } from './incremental-file.js';
import { cancelled } from './protocol/connection.js';

const DEFAULT_BLOCK_SIZE = 8192;
const READ_BYTES = 1 << 20;

/**
 * Makes the whole of a file that the newest backup holds as an incremental one, as pg_combinebackup does (reconstruct.c): each block from
 * the newest link that has it, the rest from the newest whole file, and zeros where none has any. One link is read at a time, to its
 * end and with its hash, so memory does not grow with the chain. Gives what lies in `file` afterwards, read again.
 */
export async function combineFile(path: string, chain: BackupChain, file: FileHandle, job: Job): Promise<ManifestFile> {
  const [newest, ...older] = chain;
  const blockSize = newest.facts.blockSize ?? DEFAULT_BLOCK_SIZE;
  const first = provenFile(newest, incrementalPath(path));
  if (!first) throw new RahatError('dump_invalid', `${incrementalPath(path)} of ${newest.name} is not there`);
  const target = new CombinedFile(file, path, blockSize, job);
  await target.addIncremental(newest, first);
  for (const link of older) {
    if (target.isComplete) break;
    const whole = provenFile(link, path);
    if (whole) {
      await target.addWhole(link, whole);
      return digestOf(file, target.sizeBytes, job);
    }
    const incremental = provenFile(link, incrementalPath(path));
    if (!incremental) throw new RahatError('dump_invalid', `${path} is needed of ${link.name}, and is not there`);
    if (!holdsNoBlock(incremental.sizeBytes)) await target.addIncremental(link, incremental);
  }
  if (!target.isComplete) throw new RahatError('dump_invalid', `No backup down to the full one holds the whole of ${path}`);
  return digestOf(file, target.sizeBytes, job);
}

/** Which block comes from where is decided as the links are read, the newest first. */
class CombinedFile {
  sizeBytes = 0;
  /** By block: the number of the link that gave it; 0 = none yet. */
  private givenBy = new Uint16Array();
  /** Blocks behind this are only there where the newest link has them. */
  private truncationBlocks = 0;
  private missing = 0;
  private link = 0;

  constructor(
    private readonly file: FileHandle,
    private readonly path: string,
    private readonly blockSize: number,
    private readonly job: Job,
  ) {}

  get isComplete(): boolean {
    return this.link > 0 && this.missing === 0;
  }

  async addIncremental(link: BackupLink, artifact: Artifact): Promise<void> {
    this.link++;
    let header: IncrementalHeader | undefined;
    let head: Buffer = Buffer.alloc(0);
    let at = 0;
    for await (const piece of readOfLink(link, artifact)) {
      if (this.job.signal.aborted) throw cancelled(this.job.signal);
      let data: Buffer = piece;
      if (!header) {
        head = Buffer.concat([head, piece]);
        header = parseIncrementalHeader(head, {
          path: `${this.path} of ${link.name}`,
          sizeBytes: artifact.sizeBytes,
          blockSize: this.blockSize,
        });
        if (!header) continue;
        if (this.link === 1) await this.begin(header);
        data = head.subarray(header.lengthBytes);
      }
      const { blocks } = header;
      await this.write(data, at, (index) => this.place(blocks[index]));
      at += data.length;
    }
    if (!header) throw new RahatError('dump_truncated', `${this.path} of ${link.name} is cut off`);
  }

  async addWhole(link: BackupLink, artifact: Artifact): Promise<void> {
    this.link++;
    const blocks = Math.floor(artifact.sizeBytes / this.blockSize);
    let at = 0;
    for await (const piece of readOfLink(link, artifact)) {
      if (this.job.signal.aborted) throw cancelled(this.job.signal);
      await this.write(piece, at, (index) => this.place(index < blocks ? index : undefined));
      at += piece.length;
    }
  }

  private async begin({ truncationBlocks, blocks }: IncrementalHeader): Promise<void> {
    const length = Math.max(truncationBlocks, (blocks.at(-1) ?? -1) + 1);
    this.sizeBytes = length * this.blockSize;
    this.givenBy = new Uint16Array(length);
    this.truncationBlocks = truncationBlocks;
    this.missing = truncationBlocks;
    // What nobody writes reads as zeros.
    await this.file.truncate(this.sizeBytes);
  }

  /** The block itself where this link gives it, else -1. Older links give nothing behind the truncation. */
  private place(block: number | undefined): number {
    if (block === undefined || (this.link > 1 && block >= this.truncationBlocks)) return -1;
    if (this.givenBy[block] === 0) {
      this.givenBy[block] = this.link;
      if (block < this.truncationBlocks) this.missing--;
    }
    return this.givenBy[block] === this.link ? block : -1;
  }

  /** `at`: how many bytes of the link's blocks went before. Neighbours that stay neighbours are written at once. */
  private async write(data: Buffer, at: number, place: (index: number) => number): Promise<void> {
    for (let done = 0; done < data.length;) {
      const index = Math.floor((at + done) / this.blockSize);
      const within = (at + done) % this.blockSize;
      const block = place(index);
      let length = Math.min(data.length - done, this.blockSize - within);
      for (let next = index + 1; done + length < data.length && place(next) === (block < 0 ? -1 : block + next - index); next++)
        length += Math.min(this.blockSize, data.length - done - length);
      if (block >= 0) await writeAll(this.file, data.subarray(done, done + length), block * this.blockSize + within);
      done += length;
    }
  }
}

async function writeAll(file: FileHandle, data: Buffer, position: number): Promise<void> {
  for (let done = 0; done < data.length;) done += (await file.write(data, done, data.length - done, position + done)).bytesWritten;
}

async function digestOf(file: FileHandle, sizeBytes: number, job: Job): Promise<ManifestFile> {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, Math.max(1, sizeBytes)));
  for (let at = 0; at < sizeBytes;) {
    if (job.signal.aborted) throw cancelled(job.signal);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) throw new RahatError('restore_mismatch', 'A file that was put together reads back shorter than it was written');
    hash.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
  return { sizeBytes, sha256: hash.digest('hex') };
}
