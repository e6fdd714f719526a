import { spawn } from 'node:child_process';
import { productNode } from './node-version.mjs';
import { root } from './workspace.mjs';

/** One Ctrl+C arrives twice, from the terminal and from npm; what comes this close together is one. */
const SAME_KEY_PRESS_MS = 400;

/**
 * Runs a program of the product until it ends, and ends as it did. The child stands outside the terminal's process
 * group and gets each signal from here exactly once, so that it can tell a second Ctrl+C from an echo. When this
 * process is killed, the closed channel tells the child.
 */
export function runInForeground(entry, args) {
  const child = spawn(productNode(), ['--enable-source-maps', entry, ...args], {
    cwd: root,
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    detached: true,
    env: { ...process.env, RAHAT_STARTED_BY: 'npm' },
  });
  let lastSignalAt = 0;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      const now = Date.now();
      if (now - lastSignalAt < SAME_KEY_PRESS_MS) return;
      lastSignalAt = now;
      child.kill(signal);
    });
  }
  child.on('exit', (code, signal) => process.exit(signal ? 128 + (signal === 'SIGKILL' ? 9 : 15) : code));
}
