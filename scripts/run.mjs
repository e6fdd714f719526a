// `npm run cluster | build | check | lint | format | test | demo | bench`: prepares as `npm start` does, then runs the command.
import path from 'node:path';
import { refuseOldNode } from './workspace/node-version.mjs';
import { root, stop } from './workspace/workspace.mjs';

refuseOldNode();
const { ensureInstalled } = await import('./workspace/installation.mjs');
const { build, ensureBuilt, nx } = await import('./workspace/compilation.mjs');
const { runInForeground } = await import('./workspace/foreground.mjs');

const [command, ...args] = process.argv.slice(2);
const CHECKS = 'build,lint,formatting,unused';

const commands = {
  cluster: () => runBuilt('services/cluster/dist/main.js'),
  build: () => build(),
  check: () => process.exit(nx(['run-many', '--projects=rahat-backup', `--targets=${CHECKS}`, '--nxBail=false'])),
  lint: () => process.exit(nx(['run', 'rahat-backup:lint'])),
  format: () => process.exit(nx(['run', 'rahat-backup:format'])),
  test: async () => {
    const { runTests } = await import('./testing/run-tests.mjs');
    process.exit(await runTests(args));
  },
  demo: () => runBuilt('demo/dist/main.js'),
  bench: async () => {
    if (args.some((argument) => /repository|postgresql/.test(argument)) && !args.includes('--quick')) {
      const { ensureBackupPeers } = await import('./benching/backup-peers.mjs');
      ensureBackupPeers();
    }
    runBuilt('bench/dist/main.js');
  },
};

if (!Object.hasOwn(commands, command ?? ''))
  stop(`There is no command \`${command}\`: the commands are ${Object.keys(commands).join(', ')}.`);
ensureInstalled();
await commands[command]();

function runBuilt(entry) {
  ensureBuilt();
  runInForeground(path.join(root, entry), args);
}
