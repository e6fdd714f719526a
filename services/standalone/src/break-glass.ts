import { text } from 'node:stream/consumers';
import { NewPassword, RahatError } from '@rahat/contracts';
import { resetPasswordOnConsole } from './console/reset-password.js';
import { z } from 'zod';

/**
 * A program of its own, because it must work when nobody can log in any more. Its order comes by standard input, so that neither
 * e-mail nor password stand in a list of processes; its answer is a line of JSON.
 */
const Order = z.object({
  action: z.literal('reset-password'),
  dataFolder: z.string(),
  email: z.string(),
  password: NewPassword.optional(),
});

try {
  const order = Order.parse(JSON.parse(await text(process.stdin)));
  answer({ ok: true, data: await resetPasswordOnConsole(order, process.env) });
} catch (error) {
  const ours = error instanceof z.ZodError ? new RahatError('invalid_input', z.prettifyError(error)) : RahatError.from(error);
  answer({ ok: false, error: ours.serialize() });
  process.exitCode = 1;
}

function answer(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
