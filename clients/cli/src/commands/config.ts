import { findLogin, settingsFile } from '../session/settings.js';
import { table } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';

const SECRET = /TOKEN|PASSWORD|PASSPHRASE|SECRET|KEY/;

export async function printConfig(terminal: Terminal): Promise<void> {
  const login = await findLogin();
  const environment = Object.entries(process.env)
    .filter(([name]) => name.startsWith('RAHAT_'))
    .map(([name, value]) => [name, SECRET.test(name) && !name.endsWith('_FILE') ? '(set)' : (value ?? '')] as const);
  const data = {
    url: login.url,
    urlFrom: login.urlFrom,
    loggedIn: login.token !== undefined,
    tokenFrom: login.tokenFrom,
    settingsFile: settingsFile(),
    environment: Object.fromEntries(environment),
  };
  terminal.result(
    data,
    table(
      ['SETTING', 'VALUE', 'FROM'],
      [
        ['url', login.url, login.urlFrom],
        ['token', login.token ? '(set)' : '(none)', login.tokenFrom],
        ['settings file', settingsFile(), ''],
        ...environment.map(([name, value]) => [name, value, 'environment']),
      ],
    ),
  );
}
