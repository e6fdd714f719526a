const ESCAPED: Record<string, string> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

/** The values of a row of COPY text, a binary string; NULL is null. */
export function copyValues(line: string): (string | null)[] {
  return line.split('\t').map(copyValue);
}

export function copyValue(field: string): string | null {
  if (!field.includes('\\')) return field;
  if (field === '\\N') return null;
  return field.replaceAll(/\\(.)/gs, (_, character: string) => ESCAPED[character] ?? character);
}
