const UNSTORABLE = /\\u(0000|d[89a-f][0-9a-f]{2})/i;

/**
 * PostgreSQL's JSON takes neither NUL nor half a surrogate pair. Both may come with a tool's output or a user's text,
 * and one such message would hold up all behind it in an outbox; they become U+FFFD.
 */
export function storable<T>(value: T): T {
  // JSON.stringify writes exactly these as escapes, so most messages are only looked at.
  return UNSTORABLE.test(JSON.stringify(value) ?? '') ? (replaced(value) as T) : value;
}

function replaced(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed().replaceAll('\0', '\uFFFD');
  if (Array.isArray(value)) return value.map(replaced);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [replaced(name), replaced(item)]));
}
