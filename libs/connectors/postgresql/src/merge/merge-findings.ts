import type { Finding, Merge } from '@rahat/contracts';
import { quoteIdentifier } from '../errors.js';
import type { LiveForeignKey } from './foreign-keys.js';
import type { InspectedTable } from './inspect-merge.js';
import { writableColumns, type LiveTable } from './live-tables.js';

/** What an order does to rows that are there. */
function rightsFor({ conflict }: Merge): string[] {
  return ['SELECT', 'INSERT', 'UPDATE', ...(conflict === 'replace' ? ['DELETE'] : [])];
}

export function tableFindings({ chosen, live }: InspectedTable, merge: Merge): Finding[] {
  const name = `${chosen.target.schema}.${chosen.target.table}`;
  const finding = (severity: Finding['severity'], code: string, message: string, fix?: string): Finding => ({
    code,
    severity,
    object: name,
    message,
    ...(fix !== undefined && { fix }),
  });
  if (!live) {
    if (merge.content !== 'data') return [];
    return [
      finding(
        'blocker',
        'table_missing',
        `The table ${name} is not in the database, and only data is restored.`,
        'Restore it with its schema.',
      ),
    ];
  }
  if (merge.content === 'schema') return [finding('info', 'table_exists', `The table ${name} is there, and stays as it is.`)];
  const { rows } = chosen;
  if (!rows) return [];
  if (!live.ordinary)
    return [finding('blocker', 'not_a_table', `${name} is no ordinary table in the database, and can't take these rows.`)];
  const writable = new Set(writableColumns(live));
  const lost = rows.columns.filter((column) => !writable.has(column));
  const lacking = rightsFor(merge).filter((right) => !live.rights.includes(right));
  return [
    ...(rows.columns.length === 0 ? [finding('blocker', 'column_missing', `The rows of ${name} have no columns.`)] : []),
    ...lost.map((column) =>
      finding(
        'blocker',
        'column_missing',
        `The table ${name} has no column ${column} any more that could take the backup's values.`,
        'Restore it under another name (--rename), and carry the rows over by hand.',
      ),
    ),
    ...(live.key.length === 0 && merge.conflict !== 'replace'
      ? [
          finding(
            'blocker',
            'key_missing',
            `The table ${name} has no key by which its rows could be told apart.`,
            'Use --conflict replace, which compares whole rows.',
          ),
        ]
      : []),
    ...(lacking.length > 0
      ? [
          finding(
            'blocker',
            'right_missing',
            `The user of the restore lacks rights on ${name}: ${lacking.join(', ')}.`,
            `GRANT ${lacking.join(', ')} ON ${live.sqlName} TO CURRENT_USER; -- as its owner, with the user's name`,
          ),
        ]
      : []),
    ...(live.rowSecurity
      ? [
          finding(
            'blocker',
            'row_security',
            `Row security hides rows of ${name} from the user of the restore.`,
            'Restore as its owner, or as a role with BYPASSRLS.',
          ),
        ]
      : []),
    ...(live.rules.length > 0
      ? [
          finding(
            'blocker',
            'table_rules',
            `The table ${name} has rules that rewrite what is done to it: ${live.rules.join(', ')}.`,
            `ALTER TABLE ${live.sqlName} DISABLE RULE …;`,
          ),
        ]
      : []),
    ...triggerFindings(live, finding),
    ...live.sequences
      .filter(({ mayWrite }) => !mayWrite)
      .map(({ sqlName, column }) =>
        finding(
          'warning',
          'sequence_not_advanced',
          `The sequence ${sqlName} of column ${column} can't be moved on: new rows may collide with restored ones.`,
          `GRANT SELECT, UPDATE ON SEQUENCE ${sqlName} TO CURRENT_USER; -- as its owner, with the user's name`,
        ),
      ),
  ];
}

type Told = (severity: Finding['severity'], code: string, message: string, fix?: string) => Finding;

function triggerFindings({ name, owned, triggers }: LiveTable, finding: Told): Finding[] {
  if (triggers.length === 0) return [];
  const names = triggers.map((trigger) => trigger.name).join(', ');
  return owned
    ? [finding('info', 'trigger_silenced', `These triggers of ${name} don't fire for what is restored: ${names}.`)]
    : [
        finding(
          'warning',
          'trigger_fires',
          `These triggers of ${name} fire, because the user of the restore doesn't own it: ${names}.`,
          'Restore as the owner of the table.',
        ),
      ];
}

export function foreignKeyFindings(
  foreignKeys: readonly LiveForeignKey[],
  tables: readonly LiveTable[],
  inTheWay: readonly LiveForeignKey[],
  { conflict }: Merge,
): Finding[] {
  const roots = new Set(tables.map(({ root }) => root));
  return foreignKeys.flatMap((foreignKey): Finding[] => {
    const { name, childName, childTitle, parentTitle } = foreignKey;
    const found: Finding[] = [];
    if (inTheWay.includes(foreignKey))
      found.push({
        code: 'foreign_key_cycle',
        severity: 'blocker',
        object: `${childTitle}: ${name}`,
        message: `The foreign keys of these tables make a circle, and the check of ${name} can't wait for the end of it.`,
        fix: `ALTER TABLE ${childName} ALTER CONSTRAINT ${quoteIdentifier(name)} DEFERRABLE;`,
      });
    if (!roots.has(foreignKey.child)) {
      found.push({
        code: 'foreign_key_from_outside',
        severity: 'info',
        object: `${childTitle}: ${name}`,
        message: `Rows of ${childTitle}, which is not chosen, refer to ${parentTitle}. The restore is refused if it would take away a row that they refer to.`,
      });
      if (conflict === 'replace' && (!foreignKey.mayRead || !foreignKey.mayLock))
        found.push({
          code: 'right_missing',
          severity: 'blocker',
          object: childTitle,
          message: `The user of the restore may not look at ${childTitle}, and lock it, which refers to ${parentTitle}.`,
          fix: `GRANT SELECT, UPDATE ON ${childName} TO CURRENT_USER; -- as its owner, with the user's name`,
        });
    }
    if (!roots.has(foreignKey.parent))
      found.push({
        code: 'foreign_key_to_outside',
        severity: 'info',
        object: `${childTitle}: ${name}`,
        message: `Restored rows of ${childTitle} must find the rows that they refer to in ${parentTitle}, which is not chosen.`,
      });
    return found;
  });
}
