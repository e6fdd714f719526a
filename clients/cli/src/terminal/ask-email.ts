import { RahatError } from '@rahat/contracts';

/** `absent` is the error where nobody sits at a terminal. */
export async function askEmail(absent: RahatError): Promise<string> {
  if (!process.stdin.isTTY) throw absent;
  const { text, isCancel } = await import('@clack/prompts');
  const given = await text({ message: 'E-mail', output: process.stderr });
  if (isCancel(given)) throw new RahatError('cancelled', 'Cancelled.');
  return given;
}
