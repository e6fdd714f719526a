import type { CreateLogPushToken, LogPushSettings } from '@rahat/contracts';

/** Longer than we make a pusher wait, so that it hears our word. */
const LONGEST_SECONDS = 120;

/**
 * What makes a server push its log by curl alone. The token stands in a file, because a command line is seen by everybody on its machine
 * and a setting by every superuser. curl reads the file as its own configuration.
 */
export function pushSettings({ url, file, archiveTimeoutSeconds }: CreateLogPushToken, secret: string): LogPushSettings {
  const address = `${url.replace(/\/+$/, '')}/api/v2/log-pushes/%f`;
  const archiveCommand = `curl --fail --silent --show-error --max-time ${LONGEST_SECONDS} -K ${file} --upload-file "%p" "${address}"`;
  return {
    file: { path: file, mode: '0600', content: `header = "Authorization: Bearer ${secret}"\n` },
    archiveCommand,
    sql: [
      `ALTER SYSTEM SET archive_mode = 'on';`,
      `ALTER SYSTEM SET archive_command = '${archiveCommand}';`,
      `ALTER SYSTEM SET archive_timeout = '${archiveTimeoutSeconds}s';`,
      'SELECT pg_reload_conf();',
    ].join('\n'),
  };
}
