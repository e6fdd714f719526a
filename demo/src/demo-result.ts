/** The last line of `npm run demo -- --json`. */
export interface DemoResult {
  proven: boolean;
  method: 'logical' | 'physical';
  serverVersion: string;
  databaseBytes: number;
  tables: number;
  rows: number;
  mismatches: number;
  /** Bytes stored by the first backup, and by the second after a small change. */
  firstStoredBytes: number;
  secondStoredBytes: number;
  lostTableRestored: boolean;
  seconds: number;
}
