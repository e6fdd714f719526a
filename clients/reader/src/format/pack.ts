import { createHash } from 'node:crypto';
import { damaged, messageOf } from '../reader-error.js';
import type { Folder } from '../storage/folder.js';
import type { RecipientKey } from './hpke.js';
import { PackTable } from './pack-table.js';
import { type MetadataKey, openPackKey, openSealed, SEALED } from './sealed-file.js';
import { unseal } from './sealing.js';
import { unzstd } from './zstd.js';

const MAGIC = Buffer.from('RHTPACK1');
const END_MAGIC = Buffer.from('1KCAPTHR');
const REPOSITORY_AT = 9;
const KEY_AT = 25;
const HEADER_BYTES = 105;
const TRAILER_BYTES = 12;
const TAG_BYTES = 16;
const KINDS = { 1: 'data', 2: 'metadata' } as const;

export type PackKind = (typeof KINDS)[keyof typeof KINDS];

export interface PackKeys {
  metadata: MetadataKey;
  recipient: RecipientKey;
}

export function packName(sha256: string): string {
  return `packs/${sha256.slice(0, 2)}/${sha256}`;
}

export function packKindOf(byte: number | undefined): PackKind {
  if (byte !== 1 && byte !== 2) throw new Error(`its kind ${byte} is not known`);
  return KINDS[byte];
}

/** The table at the pack's end, by which a pack says for itself what it holds. */
export async function readFooter(folder: Folder, name: string, keys: PackKeys) {
  const sizeBytes = await folder.size(name);
  if (sizeBytes < HEADER_BYTES + TRAILER_BYTES) throw damaged(name, 'it is too short for a pack');
  const header = await readHeader(folder, name, keys.metadata.repositoryId);
  const trailer = await folder.readRange(name, sizeBytes - TRAILER_BYTES, TRAILER_BYTES);
  const footerBytes = trailer.readUInt32LE(0);
  if (!trailer.subarray(4).equals(END_MAGIC) || footerBytes > sizeBytes - HEADER_BYTES - TRAILER_BYTES)
    throw damaged(name, 'its end is not that of a pack');
  const sealed = await folder.readRange(name, sizeBytes - TRAILER_BYTES - footerBytes, footerBytes);
  const payload = openSealed(sealed, SEALED.footer, createHash('sha256').update(header).digest('hex'), keys.metadata, name);
  try {
    return { kind: packKindOf(header[MAGIC.length]), sizeBytes, table: new PackTable(payload, sizeBytes) };
  } catch (cause) {
    throw damaged(name, messageOf(cause), cause);
  }
}

/** The key that opens the pack's frames. */
export async function readPackKey(folder: Folder, name: string, keys: PackKeys): Promise<Buffer> {
  const { repositoryId } = keys.metadata;
  const header = await readHeader(folder, name, repositoryId);
  try {
    const wrapped = header.subarray(KEY_AT);
    if (packKindOf(header[MAGIC.length]) === 'metadata') return openPackKey(wrapped, keys.metadata);
    return keys.recipient.open(Buffer.concat([Buffer.from('rahat/1/pack'), repositoryId]), wrapped);
  } catch (cause) {
    throw damaged(name, `its key can't be opened (${messageOf(cause)})`, cause);
  }
}

export interface FramePlace {
  frame: number;
  offset: number;
  storedBytes: number;
  plainBytes: number;
}

/** Plaintext of one frame, authenticated. */
export async function readFrame(folder: Folder, name: string, packKey: Buffer, repositoryId: Buffer, place: FramePlace): Promise<Buffer> {
  const stored = await folder.readRange(name, place.offset, place.storedBytes);
  try {
    return openFrame(stored, packKey, repositoryId, place);
  } catch (cause) {
    throw damaged(name, `frame ${place.frame} is changed (${messageOf(cause)})`, cause);
  }
}

export function openFrame(stored: Buffer, packKey: Buffer, repositoryId: Buffer, place: { frame: number; plainBytes: number }): Buffer {
  const number = Buffer.alloc(4);
  number.writeUInt32BE(place.frame);
  const body = unseal(packKey, Buffer.concat([Buffer.alloc(8), number]), Buffer.concat([repositoryId, number]), stored);
  const plain = stored.length === place.plainBytes + TAG_BYTES ? body : unzstd(body, place.plainBytes);
  if (plain.length !== place.plainBytes) throw new Error(`it holds ${plain.length} bytes instead of ${place.plainBytes}`);
  return plain;
}

async function readHeader(folder: Folder, name: string, repositoryId: Buffer): Promise<Buffer> {
  const header = await folder.readRange(name, 0, HEADER_BYTES);
  if (!header.subarray(0, MAGIC.length).equals(MAGIC)) throw damaged(name, 'its beginning is not that of a pack');
  if (!header.subarray(REPOSITORY_AT, KEY_AT).equals(repositoryId)) throw damaged(name, 'it belongs to another repository');
  return header;
}
