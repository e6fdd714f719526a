import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import type { BlobStore } from '@rahat/blob-store-port';
import type { Orders } from './crew-orders.js';

/** The store, by which the process stops itself once at a certain moment. Somebody else must let it go on (SIGCONT). */
export function selfStopping(store: BlobStore, { moment, call, prefix }: NonNullable<Orders['stop']>): BlobStore {
  let armed = true;
  const stop = (): void => {
    armed = false;
    process.kill(process.pid, 'SIGSTOP');
  };
  if (moment === 'within') stopBeforeShowing(stop, () => armed);
  return new Proxy(store, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value !== 'function') return value;
      const method = value.bind(target) as (name: string, ...rest: unknown[]) => unknown;
      if (property !== call) return method;
      return (name: string, ...rest: unknown[]): unknown => {
        const meant = armed && name.startsWith(prefix);
        if (!meant) return method(name, ...rest);
        if (moment === 'before') stop();
        if (moment === 'within') showing = prefix;
        const answer = method(name, ...rest);
        return moment === 'after' && answer instanceof Promise ? answer.finally(stop) : answer;
      };
    },
  });
}

let showing: string | undefined;

/** link(2) and rename(2) are what shows a local file. */
function stopBeforeShowing(stop: () => void, armed: () => boolean): void {
  for (const name of ['link', 'rename'] as const) {
    const show = fs.promises[name];
    fs.promises[name] = async (from, to) => {
      if (armed() && showing !== undefined && String(to).includes(`/${showing}`)) stop();
      return show(from, to);
    };
  }
  syncBuiltinESMExports();
}
