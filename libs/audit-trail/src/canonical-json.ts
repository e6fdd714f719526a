/** JSON with sorted keys and no spaces: one value has one text, so its hash can be made again by anybody (as RFC 8785 for our value types). */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item ?? null)).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    return `{${members.map(([key, member]) => `${textOf(key)}:${canonicalJson(member)}`).join(',')}}`;
  }
  return typeof value === 'string' ? textOf(value) : JSON.stringify(value);
}

/** PostgreSQL has no NUL and no lone surrogates in text. */
function textOf(value: string): string {
  return JSON.stringify(value.toWellFormed().replaceAll('\0', '\ufffd'));
}
