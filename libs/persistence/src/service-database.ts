/** One database transaction; all SQL of a service runs inside one. */
export interface Transaction {
  /** Plain SQL with `$1` parameters; gives the rows (also those of `… RETURNING`). */
  query<Row = Record<string, unknown>>(sql: string, parameters?: unknown[]): Promise<Row[]>;
  /**
   * The same for a statement that runs often and takes longer to plan than to run: each connection plans it once. Its text is always the
   * same; connections keep every other text, too.
   */
  prepared<Row = Record<string, unknown>>(sql: string, parameters: unknown[]): Promise<Row[]>;
  /** Runs `react` once this transaction has committed, never when it rolled back; an error in it is swallowed. */
  afterCommit(react: () => void): void;
}

/** A service's own schema under its own role (design.md §4). */
export interface ServiceDatabase {
  /**
   * Rows of other organizations don't exist inside: row-level security on `app.organization_id`.
   * `work` may run again after a deadlock or serialization failure, so its only effects are SQL.
   */
  inOrganization<T>(organization: string, work: (transaction: Transaction) => Promise<T>): Promise<T>;
  /** Across organizations, by the named bypass role `rahat_<service>_system`; `reason` goes to the log. */
  asSystem<T>(reason: string, work: (transaction: Transaction) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}
