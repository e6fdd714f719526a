import { setTimeout as sleep } from 'node:timers/promises';

const COMES_BACK_LIMIT_MS = 120_000;

export async function until<T>(what: string, look: () => Promise<T | undefined>, limitMs = COMES_BACK_LIMIT_MS): Promise<T> {
  for (const deadline = Date.now() + limitMs; Date.now() < deadline; await sleep(100)) {
    const found = await look();
    if (found !== undefined) return found;
  }
  throw new Error(`Waited ${limitMs / 1000} s for ${what}.`);
}
