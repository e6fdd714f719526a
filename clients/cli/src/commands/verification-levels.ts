import type { Plan } from '@rahat/api-client';
import { RahatError, type VerificationLevel, type VerificationSchedule, type VerifyEvery } from '@rahat/contracts';

const LEVELS: readonly VerificationLevel[] = ['BASIC', 'DATABASE', 'FULL'];

/** `BASIC,FULL` → levels; `none` → no levels. */
export function levels(text: string): VerificationLevel[] {
  return text.toLowerCase() === 'none' ? [] : text.split(',').map(level);
}

export function level(text: string): VerificationLevel {
  const found = LEVELS.find((name) => name === text.trim().toUpperCase());
  if (!found) throw new RahatError('invalid_input', `There is no verification level "${text}".`, { hint: `Use ${LEVELS.join(', ')}.` });
  return found;
}

/** `FULL=7`: that level after every seventh backup. */
export function verifyEvery(texts: readonly string[]): VerifyEvery {
  return Object.fromEntries(
    texts.map((text) => {
      const [name = '', times = ''] = text.split('=');
      if (!/^[1-9]\d{0,3}$/.test(times))
        throw new RahatError('invalid_input', `"${text}" doesn't say how often.`, {
          hint: 'Write the level and a number, for example FULL=7.',
        });
      return [level(name), Number(times)];
    }),
  );
}

/** `FULL=0 5 * * 0`; `none` alone = no schedules. */
export function verificationSchedules(texts: readonly string[], timeZone = 'UTC'): VerificationSchedule[] {
  if (texts.length === 1 && texts[0] === 'none') return [];
  return texts.map((text) => {
    const [name = '', ...cron] = text.split('=');
    if (cron.length === 0)
      throw new RahatError('invalid_input', `"${text}" is no schedule.`, {
        hint: 'Write the level and its cron expression, for example FULL="0 5 * * 0".',
      });
    return { level: level(name), cron: cron.join('='), timeZone };
  });
}

export function verificationInWords(plan: Pick<Plan, 'verify' | 'verifyEvery' | 'verifySchedules' | 'assertions'>): string {
  const after = plan.verify.map((name) => {
    const every = plan.verifyEvery[name] ?? 1;
    return `${name} after ${every === 1 ? 'each backup' : `every ${every} backups`}`;
  });
  const scheduled = plan.verifySchedules.map(({ level: name, cron, timeZone }) => `${name} of the newest at ${cron} (${timeZone})`);
  const asked = plan.assertions.map((assertion) => `asks: ${assertion.name}`);
  return [...after, ...scheduled, ...asked].join('\n') || 'nothing';
}
