// `npm start`: installs and builds what is missing, then runs the product. No dependencies, Node.js 20.19 or newer.
import path from 'node:path';
import { refuseOldNode } from './workspace/node-version.mjs';
import { root } from './workspace/workspace.mjs';

refuseOldNode();
const { ensureInstalled } = await import('./workspace/installation.mjs');
const { ensureBuilt } = await import('./workspace/compilation.mjs');
const { runInForeground } = await import('./workspace/foreground.mjs');

ensureInstalled();
ensureBuilt();
runInForeground(path.join(root, 'services/standalone/dist/main.js'), process.argv.slice(2));
