import { existsSync } from 'node:fs';
import path from 'node:path';
import { root, stop } from './workspace.mjs';

/** The product's code needs this; installing and the scripts themselves run on the older one below. */
const PRODUCT_MAJOR = 24;
const OLDEST_FOR_INSTALLING = [20, 19];

/** Must be called before anything else of these scripts is loaded. */
export function refuseOldNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const [oldestMajor, oldestMinor] = OLDEST_FOR_INSTALLING;
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return;
  stop(
    `Node.js ${process.versions.node} is too old to install Rahat Backup: install Node.js ${oldestMajor}.${oldestMinor} or newer from https://nodejs.org (Node.js ${PRODUCT_MAJOR} for running comes with it).`,
  );
}

/** The Node that came with the installation, else the own one when it is new enough. */
export function productNode() {
  const bundled = path.join(root, `node_modules/node-${process.platform}-${process.arch}/bin/node`);
  if (existsSync(bundled)) return bundled;
  if (Number(process.versions.node.split('.')[0]) >= PRODUCT_MAJOR) return process.execPath;
  return stop(
    `Rahat Backup runs on Node.js ${PRODUCT_MAJOR}, this is ${process.versions.node}, and none came with the installation (${process.platform}-${process.arch}): install Node.js ${PRODUCT_MAJOR}, or run \`npm ci\` without --omit=optional.`,
  );
}
