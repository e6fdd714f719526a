/** Names the attempt on a database server: in application_name, in a backup's label, in a staging database, in what is kept of a restore. */
export function attemptLabel(spec: { run: string; attempt: number }): string {
  // The last digits of a UUIDv7 are its random ones.
  const run = spec.run
    .replace(/[^a-z0-9]/gi, '')
    .slice(-12)
    .toLowerCase();
  return `rhb_${run}_${spec.attempt}`;
}
