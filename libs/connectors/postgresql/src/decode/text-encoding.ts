import { isUtf8 } from 'node:buffer';
import { RahatError } from '@rahat/contracts';

/** PostgreSQL's names of encodings that the Encoding Standard knows, which are exactly the same there. */
const KNOWN: Record<string, string> = {
  EUC_JP: 'euc-jp',
  EUC_KR: 'euc-kr',
  EUC_CN: 'gb18030',
  KOI8R: 'koi8-r',
  KOI8U: 'koi8-u',
  LATIN2: 'iso-8859-2',
  LATIN3: 'iso-8859-3',
  LATIN4: 'iso-8859-4',
  LATIN6: 'iso-8859-10',
  LATIN7: 'iso-8859-13',
  LATIN8: 'iso-8859-14',
  LATIN9: 'iso-8859-15',
  LATIN10: 'iso-8859-16',
  ISO_8859_5: 'iso-8859-5',
  ISO_8859_6: 'iso-8859-6',
  ISO_8859_7: 'iso-8859-7',
  ISO_8859_8: 'iso-8859-8',
  WIN866: 'ibm866',
  WIN874: 'windows-874',
  WIN1250: 'windows-1250',
  WIN1251: 'windows-1251',
  WIN1252: 'windows-1252',
  WIN1253: 'windows-1253',
  WIN1254: 'windows-1254',
  WIN1255: 'windows-1255',
  WIN1256: 'windows-1256',
  WIN1257: 'windows-1257',
  WIN1258: 'windows-1258',
};

/** Bytes in the database's encoding (a binary string) → the same text as UTF-8 bytes (a binary string). */
export type ToUtf8 = (text: string) => string;

export function toUtf8From(encoding: string): ToUtf8 {
  if (encoding === 'UTF8') return (text) => text;
  const decode = decoderOf(encoding);
  return (text) => (isAscii(text) ? text : Buffer.from(decode(text), 'utf8').toString('latin1'));
}

/** A binary string as people read it; what can't be understood shows as �. */
export function readableFrom(encoding: string): (text: string) => string {
  const strict = encoding === 'UTF8' ? undefined : decoderOf(encoding);
  return (text) => {
    if (isAscii(text)) return text;
    try {
      return strict ? strict(text) : Buffer.from(text, 'latin1').toString('utf8');
    } catch {
      return Buffer.from(text, 'latin1').toString('utf8');
    }
  };
}

function decoderOf(encoding: string): (text: string) => string {
  if (encoding === 'LATIN1') return (text) => text;
  if (encoding === 'SQL_ASCII') return ofNoEncoding;
  const name = KNOWN[encoding];
  if (name === undefined) return () => fail(encoding);
  const decoder = new TextDecoder(name, { fatal: true, ignoreBOM: true });
  return (text) => {
    try {
      return decoder.decode(Buffer.from(text, 'latin1'));
    } catch (cause) {
      return fail(encoding, cause);
    }
  };
}

function ofNoEncoding(text: string): string {
  const bytes = Buffer.from(text, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : fail('SQL_ASCII');
}

function fail(encoding: string, cause?: unknown): never {
  throw new RahatError('invalid_input', `The text of this ${encoding} database can't be written as UTF-8`, {
    hint: 'Download it as SQL, which keeps every byte in the encoding of the database.',
    cause,
  });
}

function isAscii(text: string): boolean {
  // eslint-disable-next-line no-control-regex -- ASCII is what is asked for
  return !/[^\x00-\x7f]/.test(text);
}
