import { setTimeout as sleep } from 'node:timers/promises';
import { deviceLoginsBegin, deviceLoginsToken, type Client, type TokenPair } from '@rahat/api-client';
import { RahatError } from '@rahat/contracts';
import { untilInterrupted } from '../terminal/interrupt.js';
import type { Terminal } from '../terminal/terminal.js';
import { answer } from './api.js';
import { MACHINE_NAME } from './machine-key.js';

/** RFC 8628 §3.5 */
const SLOWER_BY_SECONDS = 5;

/** Shows a code and waits until somebody who is logged in elsewhere has said yes to it. */
export async function logInByDeviceCode(terminal: Terminal, client: Client, url: string): Promise<TokenPair> {
  const device = await answer(deviceLoginsBegin({ client, body: { client: MACHINE_NAME } }));
  // A platform that does not know its public address gives a path.
  terminal.say(`Open ${new URL(device.verificationUriComplete, url).href}`);
  terminal.say(`and check that it shows the code ${device.userCode}. Waiting for your approval…`);
  const interrupted = untilInterrupted('Cancelled; nobody was logged in.');
  const until = Date.now() + device.expiresInSeconds * 1000;
  for (let seconds = device.intervalSeconds; Date.now() < until;) {
    await sleep(seconds * 1000, undefined, { signal: interrupted }).catch(() => interrupted.throwIfAborted());
    try {
      return await answer(deviceLoginsToken({ client, body: { deviceCode: device.deviceCode } }));
    } catch (error) {
      const code = error instanceof RahatError ? error.code : undefined;
      if (code === 'slow_down' || code === 'rate_limited') seconds += SLOWER_BY_SECONDS;
      // A platform that is just being restarted answers a moment later.
      else if (code !== 'authorization_pending' && code !== 'unavailable' && code !== 'overloaded') throw error;
    }
  }
  throw new RahatError('device_login_expired', 'Nobody approved this log-in in time.', { hint: 'Run `rahat-backup login` again.' });
}
