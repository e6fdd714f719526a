import { RahatError } from '@rahat/contracts';

/** `16MB`, as SHOW writes it. */
export function bytesOfSetting(shown: string): number {
  const parts = /^(\d+)(kB|MB|GB)$/.exec(shown);
  const unit = { kB: 2 ** 10, MB: 2 ** 20, GB: 2 ** 30 }[parts?.[2] ?? ''];
  if (!parts || !unit) throw new RahatError('source_unsupported', `The server told a segment size that cannot be understood: ${shown}`);
  return Number(parts[1]) * unit;
}
