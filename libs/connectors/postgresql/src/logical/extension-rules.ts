import type { Finding } from '@rahat/contracts';
import { quoteLiteral } from '../errors.js';
import type { Toc, TocEntry } from './archive-toc.js';
import { syntheticEntry } from './synthetic-entry.js';

interface ExtensionRule {
  version: 'exact' | 'same or newer';
  /** Functions of the extension, in its schema, that have to be called around a restore. */
  around?: { before: string; after: string };
}

/** Columns of TimescaleDB's own catalog change between its minor versions (timescaledb#4101, #1136); its rows are in the dump. */
const RULES: Record<string, ExtensionRule> = {
  timescaledb: { version: 'exact', around: { before: 'timescaledb_pre_restore', after: 'timescaledb_post_restore' } },
};
/** PostGIS and most others: newer versions read what older ones wrote. */
const ANY_OTHER: ExtensionRule = { version: 'same or newer' };

export interface WantedExtension {
  name: string;
  version: string;
}

export interface OfferedExtension {
  versions: string[];
  /** What CREATE EXTENSION without a version makes. */
  standard: string | null;
}

export interface ExtensionChoice {
  findings: Finding[];
  /** To be said on creating it; undefined = the target's standard version will do. */
  version: string | undefined;
}

/** Whether a target can take the extension in, and in which version it has to be made there. */
export function chooseExtension(wanted: WantedExtension, offered: OfferedExtension | undefined): ExtensionChoice {
  const rule = RULES[wanted.name] ?? ANY_OTHER;
  const exact = rule.version === 'exact';
  const needed = exact ? `exactly version ${wanted.version}` : `version ${wanted.version} or newer`;
  if (!offered) {
    return blocked(
      wanted,
      'extension_missing',
      `Extension ${wanted.name} is not installed on the target server; the backup needs ${needed}.`,
    );
  }
  const fitting = offered.versions.filter((version) => (exact ? version === wanted.version : !isOlder(version, wanted.version)));
  if (fitting.length === 0) {
    const offer = offered.versions.toSorted(compareVersions).join(', ');
    return blocked(wanted, 'extension_version', `The backup needs ${needed} of ${wanted.name}, the target offers ${offer}.`);
  }
  const standardFits = offered.standard !== null && fitting.includes(offered.standard);
  if (fitting.includes(wanted.version)) return { findings: [], version: standardFits ? undefined : wanted.version };
  const made = standardFits ? offered.standard! : fitting.toSorted(compareVersions).at(-1)!;
  const finding: Finding = {
    code: 'extension_version',
    severity: 'warning',
    object: wanted.name,
    message: `The backup has ${wanted.name} ${wanted.version}; it is restored with ${made}, which the target offers.`,
  };
  return { findings: [finding], version: standardFits ? undefined : made };
}

function blocked({ name, version }: WantedExtension, code: string, message: string): ExtensionChoice {
  const fix = `Install the package of ${name} ${version} on the machine of the target server.`;
  return { findings: [{ code, severity: 'blocker', object: name, message, fix }], version: undefined };
}

/** Puts versions into the archive's CREATE EXTENSION, and the calls that an extension asks for around a restore. */
export function withExtensionRules(toc: Toc, entries: readonly TocEntry[], versions: ReadonlyMap<string, string>): TocEntry[] {
  const result: TocEntry[] = [];
  const last: TocEntry[] = [];
  let free = toc.entries.reduce((most, entry) => Math.max(most, entry.dumpId), 0) + 1;
  for (const entry of entries) {
    if (entry.description !== 'EXTENSION') {
      result.push(entry);
      continue;
    }
    const sql = entry.definition.toString('latin1');
    const version = versions.get(entry.tag);
    result.push(
      version === undefined
        ? entry
        : syntheticEntry(toc, entry.dumpId, entry.tag, sql.replace(/;\s*$/, ` VERSION ${quoteLiteral(version)};`), 'before data'),
    );
    const around = RULES[entry.tag]?.around;
    if (!around) continue;
    const schema = /\sWITH SCHEMA ("(?:[^"]|"")*"|[^\s;]+)/.exec(sql)?.[1] ?? 'public';
    result.push(syntheticEntry(toc, free++, around.before, `SELECT ${schema}.${around.before}();`, 'before data'));
    last.push(syntheticEntry(toc, free++, around.after, `SELECT ${schema}.${around.after}();`, 'after data'));
  }
  return [...result, ...last];
}

function isOlder(version: string, than: string): boolean {
  return compareVersions(version, than) < 0;
}

/** `3.10.1` is newer than `3.9`; what is no number (`dev`, `unpackaged`) counts as text and below every number. */
export function compareVersions(left: string, right: string): number {
  const [a, b] = [partsOf(left), partsOf(right)];
  for (let index = 0; index < Math.max(a.length, b.length); index++) {
    const [x, y] = [a[index] ?? '0', b[index] ?? '0'];
    if (x === y) continue;
    const numbers = [x, y].map((part) => (/^\d+$/.test(part) ? Number(part) : -1)) as [number, number];
    if (numbers[0] !== numbers[1]) return numbers[0] - numbers[1];
    if (numbers[0] === -1) return x < y ? -1 : 1;
  }
  return 0;
}

function partsOf(version: string): string[] {
  return version.split(/[.-]/);
}
