import { RahatError } from '@rahat/contracts';
import { importJWK, type CryptoKey, type JWK } from 'jose';
import { z } from 'zod';
import { readSigned, type PublicKeys } from './signed-links.js';
import { TrailCheck, type TrailVerdict } from './trail-check.js';

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const PublicJwk = z.looseObject({ kid: z.string(), kty: z.literal('EC'), crv: z.literal('P-256'), x: z.string(), y: z.string() });

/** The lines of an exported trail: what it is, then its entries with the heads that were signed at them, then its end. */
export const ExportedLine = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('trail'),
    format: z.literal(1),
    organization: z.string(),
    exportedAt: z.iso.datetime(),
    /** A part begins after this entry; a whole trail has none. */
    startsAfter: z.object({ sequence: z.number().int().min(0), hash }).nullable(),
    keys: z.array(PublicJwk),
  }),
  z.object({
    type: z.literal('entry'),
    sequence: z.number().int(),
    /** Canonical JSON, whose SHA-256 is `hash`. */
    content: z.string(),
    hash,
    head: z.string().nullable(),
  }),
  z.object({ type: z.literal('end'), entries: z.number().int(), head: z.string().nullable() }),
]);
export type ExportedLine = z.infer<typeof ExportedLine>;

export interface ExportVerdict extends TrailVerdict {
  organization: string;
  exportedAt: string;
  startsAfter: number | null;
  /** Ids of the keys that signed; without `trusted` ones they came with the file. */
  keys: string[];
}

/** Checks an export line by line. Without `trusted` keys those of the file are taken, so that it proves only to be whole. */
export async function verifyExport(
  lines: AsyncIterable<string>,
  options: { trusted?: JWK[]; noted?: string[] } = {},
): Promise<ExportVerdict> {
  const reading = lines[Symbol.asyncIterator]();
  const first = await reading.next();
  const trail = lineOf(first.done ? '' : first.value, 1);
  if (trail.type !== 'trail') throw notAnExport(1);
  const keys = await importKeys(options.trusted ?? trail.keys);
  const check = new TrailCheck({
    organization: trail.organization,
    keys,
    startsAfter: trail.startsAfter ?? undefined,
    noted: await notedHeads(trail.organization, options.noted ?? [], keys),
  });
  const outcome = await checkLines(reading, check, { organization: trail.organization, keys });
  return {
    ...outcome,
    organization: trail.organization,
    exportedAt: trail.exportedAt,
    startsAfter: trail.startsAfter?.sequence ?? null,
    keys: [...keys.keys()],
  };
}

/** A head is given as its hash or as a signed head; one of another organization is refused. */
export async function notedHeads(
  organization: string,
  heads: readonly string[],
  keys: PublicKeys,
): Promise<{ sequence?: number; hash: string }[]> {
  return Promise.all(
    heads.map(async (head) => {
      if (hash.safeParse(head).success) return { hash: head };
      const signed = await readSigned('head', head, keys);
      if (signed.organization !== organization) throw new RahatError('invalid_input', 'This signed head is of another organization.');
      return signed;
    }),
  );
}

async function checkLines(
  reading: AsyncIterator<string>,
  check: TrailCheck,
  { organization, keys }: { organization: string; keys: PublicKeys },
): Promise<TrailVerdict> {
  let lastHash: string | undefined;
  for (let number = 2; ; number++) {
    const next = await reading.next();
    if (next.done) return brokenOff(check.end(), 'The export ends before its last line.');
    if (next.value === '') continue;
    const line = lineOf(next.value, number);
    if (line.type === 'trail') throw notAnExport(number);
    if (line.type === 'entry') {
      lastHash = line.hash;
      if (!(await check.entry(line, line.head))) return check.end();
      continue;
    }
    const signed = line.head === null ? undefined : await readSigned('head', line.head, keys).catch(() => undefined);
    const verdict = check.end(signed?.organization === organization ? signed.sequence : undefined);
    if (!verdict.intact || lastHash === undefined) return verdict;
    if (signed?.organization !== organization || signed.hash !== lastHash)
      return brokenOff(verdict, 'The head that was signed at the end of the export does not belong to its last entry.');
    if (line.entries !== verdict.entries)
      return brokenOff(verdict, `The export has ${verdict.entries} entries and says that there are ${line.entries}.`);
    return verdict;
  }
}

function brokenOff(verdict: TrailVerdict, reason: string): TrailVerdict {
  return verdict.intact ? { ...verdict, intact: false, brokenAt: (verdict.head?.sequence ?? 0) + 1, reason } : verdict;
}

async function importKeys(jwks: readonly JWK[]): Promise<Map<string, CryptoKey>> {
  return new Map(await Promise.all(jwks.map(async (jwk) => [String(jwk.kid), (await importJWK(jwk, 'ES256')) as CryptoKey] as const)));
}

function lineOf(text: string, number: number): ExportedLine {
  try {
    return ExportedLine.parse(JSON.parse(text));
  } catch {
    throw notAnExport(number);
  }
}

function notAnExport(line: number): RahatError {
  return new RahatError('invalid_input', `Line ${line} of the file is no line of an exported audit trail.`, {
    hint: 'Give a file that `rahat-backup audit export --format jsonl` wrote.',
  });
}
