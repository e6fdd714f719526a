import type { LineClassifier, ToolExit } from '@rahat/connector-kit';
import { RahatError, type PostgresqlConnection } from '@rahat/contracts';
import { saysConnectionLost } from '../errors.js';
import { refusalHint } from '../refused-login.js';

/** Lines of PostgreSQL's tools: a warning is not a failure, and not every exit 0 is complete (engines.md §3.2). */
export const classifyToolLine: LineClassifier = (line) => {
  // These repeat values of rows, except where they say that the server went away.
  if (!saysConnectionLost(line) && /^\s*((pg_\w+: )?(detail|context|statement|command was)):/i.test(line)) return 'drop';
  if (/subscriptions not dumped/.test(line)) {
    return {
      code: 'subscriptions_not_dumped',
      severity: 'gap',
      message: 'Subscriptions are not in the backup: the user is not a superuser.',
      fix: 'GRANT pg_create_subscription is not enough; back up as a superuser, or note the subscriptions elsewhere.',
    };
  }
  if (/circular foreign-key constraints/.test(line)) {
    return {
      code: 'circular_foreign_keys',
      severity: 'info',
      message: `${line.replace(/^pg_dump: warning: /, '')} A restore of the whole database handles it.`,
    };
  }
  if (/: warning: /.test(line)) return { code: 'tool_warning', severity: 'warning', message: line };
  return undefined;
};

/** Why a tool that was not stopped by us did not end well. */
export function toolFailure(tool: string, exit: ToolExit, connection: PostgresqlConnection): RahatError {
  if (exit.stdinError !== undefined) return RahatError.from(exit.stdinError);
  const cause = exit.cause ?? 'it printed no message';
  const place = `${connection.host}:${connection.port}`;
  if (exit.signal !== null && !saysConnectionLost(exit.stderr)) {
    return new RahatError('tool_failed', `${tool} was killed by ${exit.signal}`, {
      hint: 'Look for an out-of-memory kill or a person in the system log of the worker, then run it again.',
    });
  }
  if (/(password|PAM|LDAP|RADIUS) authentication failed|no password supplied/.test(exit.stderr))
    return new RahatError('source_authentication_failed', `${tool}: PostgreSQL at ${place} refused the login: ${cause}`, {
      hint: refusalHint(connection, exit.stderr),
    });
  if (/Connection refused|could not translate host name|No route to host|timeout expired/.test(exit.stderr))
    return new RahatError('source_unreachable', `${tool}: ${cause}`);
  if (saysConnectionLost(exit.stderr)) {
    return new RahatError('source_lost', `${tool} lost the connection to PostgreSQL at ${place}: ${cause}`, {
      hint: 'Look at the log of the database server for the same moment; the next run starts anew.',
    });
  }
  // pg_dump's --lock-wait-timeout sets statement_timeout for the time of its locking (pg_dump.c, getTables).
  if (/lock timeout|could not obtain lock/i.test(exit.stderr) || (tool === 'pg_dump' && /due to statement timeout/.test(exit.stderr)))
    return new RahatError('tool_failed', `${tool} waited too long for a lock: ${cause}`, {
      hint: 'Another session holds an exclusive lock on a table (ALTER, TRUNCATE, VACUUM FULL); choose another time.',
    });
  if (/canceling statement due to conflict with recovery/.test(exit.stderr))
    return new RahatError('tool_failed', `${tool} was cancelled by the standby, which had to replay what the dump still needed: ${cause}`, {
      hint: 'On the standby: ALTER SYSTEM SET hot_standby_feedback = on; SELECT pg_reload_conf(); or a larger max_standby_streaming_delay.',
    });
  if (/out of shared memory|max_locks_per_transaction/.test(exit.stderr))
    return new RahatError('tool_failed', `${tool} can't lock all tables at once: ${cause}`, {
      hint: 'ALTER SYSTEM SET max_locks_per_transaction = 512; -- then restart the server',
      retryable: false,
    });
  if (/permission denied|query would be affected by row-level security/i.test(exit.stderr))
    return new RahatError('source_permission_denied', `${tool}: ${cause}`, {
      hint: 'The preflight of this server names the rights and the SQL that grants them.',
    });
  if (/version mismatch/.test(exit.stderr)) return new RahatError('tool_missing', `${tool} does not fit the server: ${cause}`);
  return new RahatError('tool_failed', `${tool} ended with code ${exit.code ?? 'none'}: ${cause}`, {
    hint: "The message is the tool's own; cure it on the server and run the backup again.",
  });
}
