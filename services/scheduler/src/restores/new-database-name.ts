/** PostgreSQL cuts longer names, without a word. */
const LONGEST_NAME_BYTES = 63;

/** `<name>_restored_<time>`, its first part cut between characters where the whole would be too long. */
export function newDatabaseName(original: string, now: Date): string {
  const suffix = `_restored_${now.toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '_')}`;
  const characters = [...original];
  while (Buffer.byteLength(characters.join('') + suffix) > LONGEST_NAME_BYTES) characters.pop();
  return characters.join('') + suffix;
}
