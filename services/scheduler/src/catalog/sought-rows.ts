import type { ListConditions, Table } from './found-ids.js';

/** Tags as `name` or `name=value`, words as a tsquery has them; all of them must stand in a row. */
export interface Sought {
  tags: string[];
  words: string[];
}

/** What the first rows of a list said. */
export interface NewestLook {
  /** How many there were; fewer than were asked for: they are all. */
  looked: number;
  /** Those with all that is sought, in order. */
  ids: string[];
  /** How many have the word, in the order of the words. */
  words: number[];
}

interface Page {
  order: string;
  limit: number;
}

interface Statement {
  text: string;
  values: unknown[];
}

/** Costs as much as a page of a list, and finds whatever stands in a tenth of the rows. */
const MOST_LOOKED_AT = 1_000;
/** Of the rows that were looked at: the index of a word that so many have costs more than to look at the rows of the others. */
const FREQUENT_SHARE = 0.05;

const HAS_TAGS = (place: number) => `(tags <> '{}' AND tag_terms(tags) @> $${place}::text[])`;
const HAS_WORDS = (place: number) => `search @@ to_tsquery('simple', $${place})`;

/** As `tag_terms` has it, which takes ten times as long where it isn't looked up. */
function hasTag(tag: string, place: number): string {
  return tag.includes('=')
    ? `$${place} = ANY (tags)`
    : `EXISTS (SELECT FROM unnest(tags) AS tag WHERE split_part(tag, '=', 1) = $${place})`;
}

/**
 * A page may be full of the first rows (what is sought is frequent) or its rows be strewn over years (it is rare). The planner can't tell:
 * row security hides its statistics of tags from it, and an index of words collects every row of each of them first. So the first rows
 * of the list are asked, and the index only when they were not enough.
 */
export function newestQuery(table: Table, conditions: ListConditions, { order }: Page): Statement & { most: number } {
  const { tags, words } = conditions.sought;
  const places = placesAfter(conditions);
  const tagged = tags.map((tag) => hasTag(tag, places.next(tag)));
  const worded = words.map((word) => HAS_WORDS(places.next(word)));
  const counts = worded.map((condition) => `count(*) FILTER (WHERE ${condition})::int`);
  const text = `
    SELECT count(*)::int AS looked, ARRAY[${counts.join(', ')}]::int[] AS words,
      COALESCE(array_agg(id ORDER BY ${order}) FILTER (WHERE ${[...tagged, ...worded].join(' AND ')}), '{}') AS ids
    FROM (SELECT ${columnsOf(order)}, tags, search FROM ${table} WHERE ${conditions.toString()} ORDER BY ${order} LIMIT ${MOST_LOOKED_AT}) AS newest`;
  return { text, values: places.values, most: MOST_LOOKED_AT };
}

/** From the indexes of the tags and of the rare words. */
export function soughtQuery(table: Table, conditions: ListConditions, { order, limit }: Page, look: NewestLook): Statement {
  const { tags, words } = conditions.sought;
  const places = placesAfter(conditions);
  const least = Math.min(...look.words);
  const isFrequent = (count: number) => count > FREQUENT_SHARE * look.looked && count > least;
  const worded = words.map((word, index) => {
    const condition = HAS_WORDS(places.next(word));
    // No index answers IS TRUE.
    return isFrequent(look.words[index]!) ? `(${condition}) IS TRUE` : condition;
  });
  const last = `ORDER BY ${order} LIMIT ${limit}`;
  const condition = [conditions.toString(), ...worded].join(' AND ');
  if (tags.length === 0) return { text: `SELECT id FROM ${table} WHERE ${condition} ${last}`, values: places.values };
  // Of tags the planner knows nothing: found first and sorted then, the wish for the first rows can't lead it past their index.
  const text = `
    WITH found AS MATERIALIZED (SELECT ${columnsOf(order)} FROM ${table} WHERE ${condition} AND ${HAS_TAGS(places.next(tags))})
    SELECT id FROM found ${last}`;
  return { text, values: places.values };
}

function columnsOf(order: string): string {
  return order.replaceAll(' DESC', '');
}

function placesAfter(conditions: ListConditions): { values: unknown[]; next(value: unknown): number } {
  const values = [...conditions.values];
  return { values, next: (value) => values.push(value) };
}
