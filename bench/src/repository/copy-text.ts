import { SeededRandom } from './seeded-random.js';

/** The same table on the first day and on the next, when 2 % of its rows have changed, nearly all of them recent, and 1 % came. */
export type DataVersion = 1 | 2;

const ACCOUNT_BYTES = 96;
const EVENT_BYTES = 392;
const BLOCK_ROWS = 2048;
/** Old rows change too: about one for each megabyte. */
const SCATTER_BYTES = 1_000_000;

const SYLLABLES =
  'ba be bi bo bu ca ce co da de di do fa fe fi ga ge go ha he in ka la le li lo ma me mi mo na ne no pa pe po ra re ri ro sa se si so ta te ti to un va ve vi wa we st tr ch sh th er on an al or'.split(
    ' ',
  );
const AGENTS = [
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15',
  'curl/8.4.0',
];
const COUNTRIES = ['US', 'DE', 'GB', 'FR', 'JP', 'BR', 'IN'];
const STATES = ['new', 'paid', 'shipped', 'cancelled', 'returned'];
const WORDS = vocabulary();

/**
 * COPY text of two tables, `accounts` and `events`: text, JSON, numbers and times that compress about three times, as the
 * rows of a shop do. `sizeBytes` is met within a few percent; the same arguments give the same bytes.
 */
export function* copyText(sizeBytes: number, seed: number, version: DataVersion): Generator<Buffer> {
  const { accounts, events } = copyTables(sizeBytes, seed, version);
  yield* accounts;
  yield* events;
}

/** The same, each table by itself. */
export function copyTables(sizeBytes: number, seed: number, version: DataVersion): Record<'accounts' | 'events', Generator<Buffer>> {
  const accounts = Math.round((sizeBytes * 0.15) / ACCOUNT_BYTES);
  const events = Math.round((sizeBytes * 0.85) / EVENT_BYTES);
  return {
    accounts: tableRows({ count: accounts, rowBytes: ACCOUNT_BYTES, seed, row: accountRow }, version),
    events: tableRows({ count: events, rowBytes: EVENT_BYTES, seed: seed + 1, row: eventRow }, version),
  };
}

interface Table {
  /** Rows of the first version. */
  count: number;
  rowBytes: number;
  seed: number;
  row(random: SeededRandom, id: number, edition: number): string;
}

function* tableRows({ count, rowBytes, seed, row }: Table, version: DataVersion): Generator<Buffer> {
  const random = new SeededRandom();
  const scatter = Math.round(SCATTER_BYTES / rowBytes);
  const rows = version === 1 ? count : Math.round(count * 1.01);
  for (let first = 1; first <= rows; first += BLOCK_ROWS) {
    let text = '';
    for (let id = first; id < first + BLOCK_ROWS && id <= rows; id++) {
      const edition = version === 2 && isChanged(id, count, scatter) ? 2 : 1;
      text += row(random.seed(seed, id, edition), id, edition);
    }
    yield Buffer.from(text, 'latin1');
  }
}

function isChanged(id: number, count: number, scatter: number): boolean {
  return id > count * 0.95 && id <= count ? id % 5 < 2 : (id * 7919) % scatter === 0;
}

function accountRow(random: SeededRandom, id: number, edition: number): string {
  const name = WORDS[random.below(20_000)]!;
  const at = 1_700_000_000 + id * 3 + edition * 86_400;
  return `${id}\t${id % 60}\t${random.below(1_000_000) / 100}\t${name}.${id % 997}@example.com\t${name} ${WORDS[random.below(5000)]}\t${at}\tactive\t${(random.next() % 100_000) / 7}\n`;
}

function eventRow(random: SeededRandom, id: number, edition: number): string {
  const at = new Date((1_600_000_000 + id * 10 + random.below(10)) * 1000 + edition).toISOString();
  let note = word(random);
  for (let words = 8 + random.below(30); words > 0; words--) note += ` ${word(random)}`;
  const ip = `${random.below(256)}.${random.below(256)}.${random.below(256)}.${random.below(256)}`;
  const item = `{"sku": "SKU-${random.below(100_000)}", "qty": ${1 + random.below(5)}, "price": ${random.below(20_000) / 100}}`;
  const session = random.next().toString(16) + random.next().toString(16);
  const json = `{"ip": "${ip}", "ua": "${AGENTS[random.below(3)]}", "country": "${COUNTRIES[random.below(7)]}", "items": [${item}], "session": "${session}"}`;
  return `${id}\t${at}\t${random.below(500_000)}\t${word(random)}.${random.below(999)}@example.com\t${STATES[random.below(5)]}\t${random.below(100_000) / 100}\t${note}\t${json}\n`;
}

/** Few words are frequent and many are rare, as in a language. */
function word(random: SeededRandom): string {
  return WORDS[Math.min(19_999, Math.floor(Math.exp((random.next() / 0x1_0000_0000) * 9.9)) - 1)]!;
}

function vocabulary(): string[] {
  const random = new SeededRandom().seed(12_345);
  return Array.from({ length: 20_000 }, (_, rank) => {
    let text = '';
    for (let syllables = 1 + random.below(3) + (rank > 200 ? 1 : 0); syllables > 0; syllables--)
      text += SYLLABLES[random.below(SYLLABLES.length)]!;
    return text;
  });
}
