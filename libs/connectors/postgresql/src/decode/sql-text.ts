import { RahatError } from '@rahat/contracts';

/**
 * SQL and rows of a dump are in the database's encoding. They are handled as binary strings, a character for each byte, which
 * keeps every byte as it is; PostgreSQL's encodings have no ASCII bytes inside other characters.
 */
export function binary(bytes: Buffer): string {
  return bytes.toString('latin1');
}

/** A quoted or a bare name at this place of binary SQL. */
export function readName(sql: string, at: number): { name: string; end: number } {
  if (sql[at] !== '"') {
    const bare = /[a-z_\x80-\xff][a-z0-9_$\x80-\xff]*/y;
    bare.lastIndex = at;
    const [name] = bare.exec(sql) ?? [];
    if (name === undefined) throw new RahatError('dump_invalid', 'A name in the table of contents of this backup has no end');
    return { name, end: at + name.length };
  }
  const quoted = /"((?:[^"]|"")+)"/y;
  quoted.lastIndex = at;
  const [whole, inner] = quoted.exec(sql) ?? [];
  if (whole === undefined || inner === undefined)
    throw new RahatError('dump_invalid', 'A quoted name in the table of contents of this backup has no end');
  return { name: inner.replaceAll('""', '"'), end: at + whole.length };
}

/** `"schema"."table"` as it stands there. */
export function readQualifiedName(sql: string, at: number): { text: string; end: number } {
  let { end } = readName(sql, at);
  while (sql[end] === '.') end = readName(sql, end + 1).end;
  return { text: sql.slice(at, end), end };
}

/** The names of `("a", "b")`, at whose opening parenthesis `at` stands; what follows a name inside is passed over. */
export function readNameList(sql: string, at: number): { names: string[]; end: number } {
  const names: string[] = [];
  for (let next = at + 1; ;) {
    const { name, end } = readName(sql, next);
    names.push(name);
    const separator = /[,)]/g;
    separator.lastIndex = end;
    const found = separator.exec(sql);
    if (!found) throw new RahatError('dump_invalid', 'A list of names in the table of contents of this backup has no end');
    if (found[0] === ')') return { names, end: found.index + 1 };
    next = found.index + 2;
  }
}

/** Cuts at commas that stand in no quotes and parentheses; `at` stands at the opening parenthesis. */
export function splitBody(sql: string, at: number): { parts: string[]; end: number } {
  const parts: string[] = [];
  let from = at + 1;
  const end = scanOutside(sql, at + 1, (character, position, depth) => {
    if (depth > 0 || (character !== ',' && character !== ')')) return false;
    const part = sql.slice(from, position).trim();
    if (part !== '') parts.push(part);
    from = position + 1;
    return character === ')';
  });
  return { parts, end: end + 1 };
}

/** Where the first word in capitals stands that is in no quotes: types are written small, what follows them is not. */
export function endOfType(sql: string): number {
  let depthZero = sql.length;
  scanOutside(sql, 0, (character, position, depth) => {
    if (depth > 0 || character < 'A' || character > 'Z') return false;
    depthZero = position;
    return true;
  });
  return depthZero;
}

/** Goes over SQL, skipping quoted text; gives the place where `visit` said to stop. */
function scanOutside(sql: string, from: number, visit: (character: string, position: number, depth: number) => boolean): number {
  let depth = 0;
  for (let at = from; at < sql.length; at++) {
    const character = sql[at]!;
    if (character === '"' || character === "'") {
      at = endOfQuoted(sql, at, character === "'" && /[eE]/.test(sql[at - 1] ?? '') && !/[\w"]/.test(sql[at - 2] ?? ''));
      continue;
    }
    if (visit(character, at, depth)) return at;
    if (character === '(' || character === '[') depth++;
    else if (character === ')' || character === ']') depth--;
  }
  return sql.length;
}

/** The closing quote's place. */
function endOfQuoted(sql: string, at: number, escapes: boolean): number {
  const quote = sql[at]!;
  for (let next = at + 1; next < sql.length; next++) {
    if (escapes && sql[next] === '\\') next++;
    else if (sql[next] === quote) {
      if (sql[next + 1] !== quote) return next;
      next++;
    }
  }
  return sql.length;
}

export function quoteBinaryName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** With standard_conforming_strings on, which every script of ours sets. */
export function quoteBinaryLiteral(value: string | null): string {
  return value === null ? 'NULL' : `'${value.replaceAll("'", "''")}'`;
}
