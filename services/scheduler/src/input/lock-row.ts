import type { Transaction } from '@rahat/persistence';

/** Two edits of one thing take turns, so that the second one sees what the first one made of it. */
export async function lockRow(transaction: Transaction, table: 'servers' | 'server_groups' | 'templates', id: string): Promise<void> {
  await transaction.query(`SELECT 1 FROM ${table} WHERE id = $1 FOR NO KEY UPDATE`, [id]);
}
