import { RahatError, timeAgo } from '@rahat/contracts';

/** `2026-11-20`, `2026-11-20T14:00:00+03:00`, or so long ago: `90m`, `24h`, `7d`, `4w`. */
export function pointInTime(option: string, text: string | undefined, now = new Date()): string | undefined {
  if (text === undefined) return undefined;
  const time = timeAgo(text, now) ?? new Date(text);
  if (!Number.isNaN(time.getTime())) return time.toISOString();
  throw new RahatError('invalid_input', `"${text}" is no time for ${option}.`, {
    hint: 'Write 2026-11-20, 2026-11-20T14:00:00Z, or so long ago: 90m, 24h, 7d, 4w.',
  });
}

export function oneOf<T extends string>(known: { options: T[] }, kind: string, text: string | undefined): T | undefined {
  if (text === undefined) return undefined;
  const found = known.options.find((option) => option === text);
  if (found !== undefined) return found;
  throw new RahatError('invalid_input', `There is no ${kind} "${text}".`, { hint: `Use one of ${known.options.join(', ')}.` });
}
