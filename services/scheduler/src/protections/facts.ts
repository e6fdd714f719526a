/** What makes the row of a line, as conditions on its backups and runs: each is the condition of an index, too (migration 0009). */
export const LIVE = `state = 'succeeded' AND removal_requested_at IS NULL AND missing_since IS NULL`;
export const GOOD = `type = 'backup' AND state = 'succeeded'`;
export const BAD = `type = 'backup' AND state IN ('failed', 'partial', 'missed')`;
export const SCHEDULED = `type = 'backup' AND cause = 'schedule' AND state <> 'skipped'`;
/** In words that keep the planner from the index of all that the installation expects: it may have seen that index when it was nearly empty. */
export const EXPECTED = `${SCHEDULED} AND lower(state) = 'expected'`;
