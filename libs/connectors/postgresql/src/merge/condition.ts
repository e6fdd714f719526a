import { quoteIdentifier } from '../errors.js';
import { tokensOf, wrong, type Token } from './condition-tokens.js';

/** SQL of a condition on the columns of the relation that is called `alias` there. */
export type Condition = (alias: string) => string;

/** Values of these are read by PostgreSQL's own input functions, which have no effects and reach nowhere. */
const TYPES = new Set(
  'text varchar char bpchar int int2 int4 int8 integer smallint bigint numeric decimal real float4 float8 bool boolean date time timetz timestamp timestamptz interval uuid json jsonb inet cidr bytea'.split(
    ' ',
  ),
);
/** Immutable or stable, without effects, in bounded memory. */
const FUNCTIONS = new Set(
  'abs age btrim ceil char_length date_part date_trunc floor initcap left length lower ltrim md5 mod now octet_length replace reverse right round rtrim sign split_part starts_with strpos substr to_char to_date to_number to_timestamp trunc upper array_length cardinality jsonb_typeof json_typeof jsonb_exists host masklen'.split(
    ' ',
  ),
);
/** Part of the grammar, and so without a schema. */
const FORMS = new Set(['coalesce', 'nullif', 'greatest', 'least']);
const CONSTANTS = new Set(['true', 'false', 'null', 'current_date', 'current_timestamp', 'localtimestamp']);
const COMPARISONS = new Set(['=', '<>', '!=', '<', '<=', '>', '>=', '~', '~*', '!~', '!~*']);
const OTHERS = new Set(['||', '->', '->>', '@>', '<@', '&&']);
const RESERVED = new Set('and or not in is like ilike between distinct from escape select case cast array any all some exists'.split(' '));
const DEEPEST = 100;

/**
 * Reads a user's condition by a grammar of its own and writes it anew: only columns, constants, and operators and functions of
 * PostgreSQL that change nothing and reach nowhere get through, whatever the rights of the session are that evaluates it.
 * Throws `invalid_input` with the place of whatever else stands in it. Needs standard_conforming_strings and an empty search_path.
 */
export function readCondition(text: string, columns: readonly string[]): Condition {
  const reader = new ConditionReader(text, tokensOf(text), new Set(columns));
  return reader.whole();
}

class ConditionReader {
  #next = 0;
  #depth = 0;

  constructor(
    private readonly text: string,
    private readonly tokens: readonly Token[],
    private readonly columns: ReadonlySet<string>,
  ) {}

  whole(): Condition {
    const condition = this.#either();
    if (this.#token.kind !== 'end') throw this.#unexpected();
    return condition;
  }

  get #token(): Token {
    return this.tokens[this.#next]!;
  }

  #unexpected(): Error {
    const { kind, text, at } = this.#token;
    return wrong(this.text, at, kind === 'end' ? 'its end comes too early' : `"${text}" is not expected`);
  }

  #isWord(...words: string[]): boolean {
    return this.#token.kind === 'word' && words.includes(this.#token.text.toLowerCase());
  }

  #isSign(signs: ReadonlySet<string> | string): boolean {
    const { kind, text } = this.#token;
    return kind === 'sign' && (typeof signs === 'string' ? signs === text : signs.has(text));
  }

  /** The word or sign, if it stands here. */
  #take(text: string): boolean {
    const found = this.#isWord(text) || this.#isSign(text);
    if (found) this.#next++;
    return found;
  }

  #expect(text: string): void {
    if (!this.#take(text)) throw this.#unexpected();
  }

  #taken(): string {
    return this.tokens[this.#next++]!.text;
  }

  #either(): Condition {
    if (++this.#depth > DEEPEST) throw wrong(this.text, this.#token.at, 'it is nested too deeply');
    let left = this.#both();
    while (this.#take('or')) left = joined(left, 'OR', this.#both());
    this.#depth--;
    return left;
  }

  #both(): Condition {
    let left = this.#negated();
    while (this.#take('and')) left = joined(left, 'AND', this.#negated());
    return left;
  }

  #negated(): Condition {
    let times = 0;
    while (this.#take('not')) times++;
    const inner = this.#predicate();
    return times % 2 === 0 ? inner : (alias) => `(NOT ${inner(alias)})`;
  }

  #predicate(): Condition {
    const left = this.#other();
    if (this.#isSign(COMPARISONS)) return joined(left, this.#operator(), this.#other());
    if (this.#take('is')) return this.#is(left);
    const not = this.#take('not') ? 'NOT ' : '';
    if (this.#take('in')) {
      const list = this.#list();
      return (alias) => `(${left(alias)} ${not}IN (${list.map((item) => item(alias)).join(', ')}))`;
    }
    if (this.#take('between')) {
      const low = this.#other();
      this.#expect('and');
      const high = this.#other();
      return (alias) => `(${left(alias)} ${not}BETWEEN ${low(alias)} AND ${high(alias)})`;
    }
    if (this.#isWord('like', 'ilike')) {
      const word = this.#taken().toUpperCase();
      return joined(left, `${not}${word}`, this.#other());
    }
    if (not !== '') throw this.#unexpected();
    return left;
  }

  #is(left: Condition): Condition {
    const not = this.#take('not') ? 'NOT ' : '';
    if (this.#take('distinct')) {
      this.#expect('from');
      return joined(left, `IS ${not}DISTINCT FROM`, this.#other());
    }
    if (!this.#isWord('null', 'true', 'false', 'unknown')) throw this.#unexpected();
    const what = this.#taken().toUpperCase();
    return (alias) => `(${left(alias)} IS ${not}${what})`;
  }

  #other(): Condition {
    let left = this.#sum();
    while (this.#isSign(OTHERS)) left = joined(left, this.#operator(), this.#sum());
    return left;
  }

  #sum(): Condition {
    let left = this.#product();
    while (this.#isSign('+') || this.#isSign('-')) left = joined(left, this.#operator(), this.#product());
    return left;
  }

  #product(): Condition {
    let left = this.#signed();
    while (this.#isSign('*') || this.#isSign('/') || this.#isSign('%')) left = joined(left, this.#operator(), this.#signed());
    return left;
  }

  /** Of PostgreSQL's own, not of a schema that somebody may write to. */
  #operator(): string {
    const sign = this.#taken();
    return `OPERATOR(pg_catalog.${sign === '!=' ? '<>' : sign})`;
  }

  #signed(): Condition {
    let minus = 0;
    while (this.#take('-')) minus++;
    const inner = this.#typed();
    return minus % 2 === 0 ? inner : (alias) => `(- ${inner(alias)})`;
  }

  #typed(): Condition {
    let inner = this.#primary();
    while (this.#take('::')) {
      const [type, operand] = [this.#type(), inner];
      inner = (alias) => `(${operand(alias)})::${type}`;
    }
    return inner;
  }

  #type(): string {
    const name = this.#token.text.toLowerCase();
    if (this.#token.kind !== 'word' || !TYPES.has(name)) throw this.#unexpected();
    this.#next++;
    if (!this.#take('[')) return name;
    this.#expect(']');
    return `${name}[]`;
  }

  #list(): Condition[] {
    this.#expect('(');
    const items: Condition[] = [];
    if (this.#take(')')) return items;
    do items.push(this.#either());
    while (this.#take(','));
    this.#expect(')');
    return items;
  }

  #primary(): Condition {
    const token = this.#token;
    switch (token.kind) {
      case 'string':
      case 'number': {
        this.#next++;
        const constant = token.kind === 'number' ? token.text : literal(token.text);
        return () => constant;
      }
      case 'name':
        return this.#column(token.text);
      case 'sign': {
        this.#expect('(');
        const inner = this.#either();
        this.#expect(')');
        return (alias) => `(${inner(alias)})`;
      }
      case 'word':
        return this.#named(token.text.toLowerCase());
      case 'end':
        throw this.#unexpected();
    }
  }

  #named(word: string): Condition {
    const after = this.tokens[this.#next + 1]!;
    if (word === 'cast') return this.#cast();
    if (after.kind === 'sign' && after.text === '(' && (FUNCTIONS.has(word) || FORMS.has(word))) {
      this.#next++;
      const items = this.#list();
      const name = FORMS.has(word) ? word : `pg_catalog.${quoteIdentifier(word)}`;
      return (alias) => `${name}(${items.map((item) => item(alias)).join(', ')})`;
    }
    if (after.kind === 'string' && TYPES.has(word)) {
      this.#next += 2;
      return () => `(${literal(after.text)})::${word}`;
    }
    if (CONSTANTS.has(word)) {
      this.#next++;
      return () => word;
    }
    if (RESERVED.has(word)) throw this.#unexpected();
    return this.#column(word);
  }

  #cast(): Condition {
    this.#next++;
    this.#expect('(');
    const inner = this.#either();
    this.#expect('as');
    const type = this.#type();
    this.#expect(')');
    return (alias) => `(${inner(alias)})::${type}`;
  }

  #column(name: string): Condition {
    if (!this.columns.has(name))
      throw wrong(
        this.text,
        this.#token.at,
        `"${this.#token.text}" is no column of the table, and nothing else that a condition may hold,`,
      );
    this.#next++;
    return (alias) => `${alias}.${quoteIdentifier(name)}`;
  }
}

function joined(left: Condition, operator: string, right: Condition): Condition {
  return (alias) => `(${left(alias)} ${operator} ${right(alias)})`;
}

/** standard_conforming_strings is on in the session. */
function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
