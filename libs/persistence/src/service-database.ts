export interface Questions {
  /** Plain SQL with `$1` parameters; gives the rows (also those of `… RETURNING`). */
  query<Row = Record<string, unknown>>(sql: string, parameters?: unknown[]): Promise<Row[]>;
  /**
   * The same for a statement that runs often and takes longer to plan than to run: each connection plans it once. Its text is always the
   * same; connections keep every other text, too.
   */
  prepared<Row = Record<string, unknown>>(sql: string, parameters: unknown[]): Promise<Row[]>;
}

/** One database transaction; all SQL of a service runs inside one. */
export interface Transaction extends Questions {
  /** The last question of the transaction: its end goes out together with it, and is not waited for alone. Nothing can be asked afterwards. */
  readonly last: Questions;
  /**
   * Lets `work` see all of the organization where the tenant is limited to server groups: for what rests on more than they may be told of,
   * such as the floor of a plan that covers other servers too. Nothing that it finds may be answered. Queries of the same transaction
   * wait until it is done.
   */
  inWholeOrganization<T>(work: () => Promise<T>): Promise<T>;
  /** Runs `react` once this transaction has committed, never when it rolled back; an error in it is swallowed. */
  afterCommit(react: () => void): void;
}

/** For whom a transaction is: a principal, or the service itself for a whole organization. */
export interface Tenant {
  readonly organization: string;
  /** null: no limit. */
  readonly serverGroups: readonly string[] | null;
}

/** Said by name, so that nobody comes to it by forgetting who asks. */
export function wholeOrganization(organization: string): Tenant {
  return { organization, serverGroups: null };
}

/** The database of a service whose rows hang on servers: each transaction says for whom it is. */
export interface TenantDatabase {
  /**
   * Rows of other organizations don't exist inside: row-level security on `app.organization_id`. Neither do those of servers outside of
   * the tenant's groups, where it has any: the role `rahat_<service>_restricted` obeys policies of its own.
   * `work` may run again after a deadlock or serialization failure, so its only effects are SQL.
   */
  inOrganization<T>(tenant: Tenant, work: (transaction: Transaction) => Promise<T>): Promise<T>;
  /** Across organizations, by the named bypass role `rahat_<service>_system`; `reason` goes to the log. */
  asSystem<T>(reason: string, work: (transaction: Transaction) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** A service's own schema under its own role (design.md §4). An organization's name alone stands for all of it. */
export interface ServiceDatabase extends TenantDatabase {
  inOrganization<T>(tenant: Tenant | string, work: (transaction: Transaction) => Promise<T>): Promise<T>;
}
