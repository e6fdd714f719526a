import { setTimeout as delay } from 'node:timers/promises';
import type { ChosenSource, ConnectorContext, SourceOrder } from '@rahat/connector-kit';
import { RahatError, type PostgresqlConnection } from '@rahat/contracts';
import { connectClient } from '../connect.js';
import { queryError } from '../errors.js';
import { throughTunnel } from '../reach/index.js';
import { fitnessOf, type Fitness, type Reference, type SourceLook } from './standby-fitness.js';

const STATEMENT_LIMIT_MS = 10_000;
/** What was just written is on its way; on an idle primary nothing comes after it that would tell how new it is. */
const ON_ITS_WAY_MS = 1_000;

const LOOK = `
  SELECT (SELECT system_identifier::text FROM pg_control_system()) AS identity, recovering AS "inRecovery",
    (CASE WHEN recovering THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END - '0/0')::float8 AS position,
    CASE WHEN recovering THEN EXTRACT(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8 END AS "replayedSeconds"
  FROM pg_is_in_recovery() AS recovering`;

/** The standby that is least behind, of those that are fit; else the primary, where the order allows it. */
export async function chooseSource(
  primary: PostgresqlConnection,
  standbys: readonly PostgresqlConnection[],
  order: SourceOrder,
  context: ConnectorContext,
): Promise<ChosenSource<PostgresqlConnection>> {
  if (order.from === 'primary') return { connection: primary, role: 'primary', passedOver: [] };
  const passedOver: string[] = [];
  const pass = (connection: PostgresqlConnection, why: string): void => void passedOver.push(`${placeOf(connection)}: ${why}`);

  // Asked first: who has replayed at least this is not behind.
  const ofPrimary = await lookAt(primary, context);
  const reference: Reference = isLook(ofPrimary)
    ? { identity: order.identity ?? ofPrimary.identity, position: ofPrimary.position }
    : { identity: order.identity, position: undefined };
  const judge = (look: SourceLook | RahatError): Fitness =>
    isLook(look) ? fitnessOf(look, reference, order.lagSeconds) : { fit: false, reason: look.message };
  const fit: { connection: PostgresqlConnection; lagSeconds: number }[] = [];
  const looks = await Promise.all(standbys.map((connection) => lookAt(connection, context)));
  for (const [index, look] of looks.entries()) {
    const connection = standbys[index]!;
    let fitness = judge(look);
    if (!fitness.fit && isLook(look) && look.position < (reference.position ?? 0)) {
      await delay(ON_ITS_WAY_MS, undefined, { signal: context.signal });
      fitness = judge(await lookAt(connection, context));
    }
    if (fitness.fit) fit.push({ connection, lagSeconds: fitness.lagSeconds });
    else pass(connection, fitness.reason);
  }
  const [best] = fit.sort((a, b) => a.lagSeconds - b.lagSeconds);
  if (best) return { ...best, role: 'replica', passedOver };
  if (standbys.length === 0) passedOver.push('no standby of the server is known');
  if (order.from === 'replica-only')
    throw new RahatError('replica_unfit', `The backup may only be read from a standby, and none is fit: ${passedOver.join('; ')}`);
  return { connection: primary, role: 'primary', passedOver };
}

async function lookAt(connection: PostgresqlConnection, context: ConnectorContext): Promise<SourceLook | RahatError> {
  try {
    const { routed, close } = await throughTunnel(connection, context.signal);
    try {
      await using client = await connectClient(routed, {
        database: connection.maintenanceDatabase,
        label: 'rahat-source',
        signal: context.signal,
      });
      await client.query(`SELECT set_config('statement_timeout', $1, false)`, [String(STATEMENT_LIMIT_MS)]);
      const { rows } = await client.query<SourceLook>(LOOK);
      return rows[0]!;
    } finally {
      await close();
    }
  } catch (error) {
    context.signal.throwIfAborted();
    return queryError(error, 'asking a server whether it may be read');
  }
}

function isLook(look: SourceLook | RahatError): look is SourceLook {
  return !(look instanceof RahatError);
}

function placeOf({ host, port }: PostgresqlConnection): string {
  return `${host}:${port}`;
}
