import * as zlib from 'node:zlib';
import { decompress } from 'fzstd';

/** Node.js has zstd from 22.15 on; older ones get a JavaScript decoder, several times slower. */
const native = zlib.zstdDecompressSync as typeof zlib.zstdDecompressSync | undefined;

/** One zstd frame; throws where it is none or gives more than `limitBytes`. */
export function unzstd(bytes: Uint8Array, limitBytes: number): Buffer {
  if (native) return native(bytes, { maxOutputLength: limitBytes });
  const plain = decompress(bytes);
  if (plain.length > limitBytes) throw new Error(`it unpacks to ${plain.length} bytes, more than ${limitBytes}`);
  return Buffer.from(plain.buffer, plain.byteOffset, plain.length);
}
