import { isS3Address } from '@rahat/contracts';
import { FACT } from './kit-repository.js';
import { day, type KitSheet } from './kit.js';

/** What a sheet says, however it is rendered. */
export interface KitContents {
  title: string;
  /** On a sheet of its own: `Share 2 of 5`. */
  badge?: string;
  purpose: string;
  warning: string;
  facts: [name: string, value: string][];
  keyTitle: string;
  typing: string;
  sections: { title: string; steps: KitStep[] }[];
  footer: string;
}

/** A sentence, with the commands that carry it out. */
export interface KitStep {
  text: string;
  commands?: string[];
}

/** Everything that a restore needs without the product's server, and what it needs besides. Pure. */
export function kitContents(sheet: KitSheet): KitContents {
  const { repository, madeAt, slot, key } = sheet;
  const isShare = key.type === 'share';
  const title = 'Recovery kit';
  return {
    title,
    badge: isShare ? `Share ${key.number} of ${key.count}` : undefined,
    purpose: isShare
      ? `Any ${key.threshold} of these ${key.count} shares together open the backups, without the server that made them.`
      : 'Opens the backups without the server that made them.',
    warning: isShare
      ? `Keep this page on paper, apart from the other shares and from the storage. Alone it tells nothing; who holds ${key.threshold} shares can read every backup.`
      : 'Who holds this page can read every backup. Keep it on paper in a safe place, apart from the server and from the storage. No photo, no mail.',
    facts: [
      ...(isShare && key.holder !== undefined ? [['Holder', key.holder] as [string, string]] : []),
      ...(repository.name === undefined ? [] : [['Repository', repository.name] as [string, string]]),
      [FACT.place, repository.place],
      [FACT.id, repository.id],
      ['Key', slot],
      ['Made on', `${day(madeAt)} (UTC)`],
    ],
    keyTitle: isShare ? `Share ${key.number} of ${key.count}` : 'Recovery key',
    typing:
      'Upper and lower case are the same, O is 0, I and L are 1; dashes and spaces may be left out. The word in brackets checks its line, also by telephone; it need not be typed.',
    sections: [
      { title: 'To restore', steps: restoring(sheet) },
      { title: 'Not in this kit', steps: missing(sheet) },
      { title: 'Prove it today, and once a year', steps: proving(sheet) },
    ],
    footer: `${title} · repository ${repository.id.slice(0, 8)} · key ${slot.slice(0, 8)} · ${day(madeAt)}`,
  };
}

/** A long place is typed once: on paper it would be broken in two in every command. */
const LONGEST_REPEATED_PLACE = 40;

function placeArgument({ place }: KitSheet['repository']): string {
  return place.length > LONGEST_REPEATED_PLACE ? '"$place"' : quoted(place);
}

function restoring({ repository, key }: KitSheet): KitStep[] {
  const place = placeArgument(repository);
  const isBucket = isS3Address(repository.place);
  const wayIn = key.type === 'share' ? 'shares' : 'recovery-key';
  const folder = isBucket ? './rahat' : place;
  const asked = key.type === 'share' ? `Bring ${key.threshold} shares together; each is asked for.` : 'The recovery key is asked for.';
  return [
    {
      text: `With Rahat Backup, on any machine that reaches the storage. ${asked}`,
      commands: [
        ...(place === '"$place"' ? [`place=${quoted(repository.place)}`] : []),
        `rahat-backup repository snapshots --path ${place} --with ${wayIn}`,
        `rahat-backup repository restore --path ${place} --with ${wayIn} --snapshot latest --to postgresql://postgres@localhost/postgres --as restored`,
      ],
    },
    {
      text: 'Without it, by its one-file reader and Node.js 20 or newer; this makes files that psql and pg_restore take.',
      commands: [
        ...(isBucket ? [copyCommand(repository.place)] : []),
        `node rahat-reader.mjs list ${folder}`,
        `node rahat-reader.mjs restore ${folder} latest --to ./restored`,
      ],
    },
  ];
}

function missing({ repository: { place } }: KitSheet): KitStep[] {
  const access = isS3Address(place)
    ? 'The access key of the bucket and its secret. Keep one that can read, for the day on which the server is gone.'
    : 'The storage itself, and the right to read that folder.';
  return [
    { text: access },
    { text: 'The passphrase of the repository: this key opens it as well. Passwords of database servers.' },
    { text: 'The programs: keep a copy of rahat-reader.mjs beside the backups. REPOSITORY_FORMAT.md documents the format.' },
  ];
}

function proving({ repository, slot, key }: KitSheet): KitStep[] {
  const wayIn = key.type === 'share' ? 'shares' : 'recovery-key';
  return [
    {
      text: 'Restores the latest backup on a server of its own, with nothing but this kit and the storage, and compares every table.',
      commands: [`rahat-backup repository drill --path ${placeArgument(repository)} --with ${wayIn}`],
    },
    {
      text: 'If somebody has seen this page: make a new kit, then withdraw this one. Copies of the storage made before still open with it.',
      commands: [`rahat-backup repository keys remove ${slot.slice(0, 8)} --path ${placeArgument(repository)}`],
    },
  ];
}

function copyCommand(place: string): string {
  const { host, pathname, searchParams } = new URL(place);
  const endpoint = searchParams.get('endpoint');
  return `aws s3 sync ${quoted(`s3://${host}${pathname}`)} ./rahat${endpoint === null ? '' : ` --endpoint-url ${endpoint}`}`;
}

/** For a POSIX shell, where it needs it. */
function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
