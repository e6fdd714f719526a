import { readFileSync } from 'node:fs';
import { RahatError } from '@rahat/contracts';
import type { z } from 'zod';

/**
 * Reads a service's environment. Keys of `schema` are the variables' names (`RAHAT_…`, `DATABASE_URL`); each may come
 * as `<NAME>_FILE` instead, the path of a file that holds the value. Reports all mistakes at once; the schema's
 * `.meta({ examples: ['…'] })` shows in them.
 */
export function loadConfig<S extends z.ZodObject>(schema: S, env: NodeJS.ProcessEnv = process.env): z.infer<S> {
  const mistakes: string[] = [];
  const values: Record<string, string> = {};
  const unreadable = new Set<string>();
  for (const name of Object.keys(schema.shape)) {
    try {
      const value = readVariable(name, env);
      if (value !== undefined) values[name] = value;
    } catch (error) {
      unreadable.add(name);
      mistakes.push((error as Error).message);
    }
  }
  const result = schema.safeParse(values);
  if (!result.success) {
    for (const issue of result.error.issues) {
      const name = String(issue.path[0] ?? '');
      if (!unreadable.has(name)) mistakes.push(describe(name, issue, values[name] === undefined, schema));
    }
  }
  if (mistakes.length > 0 || !result.success) {
    throw new RahatError(
      'configuration_invalid',
      `The configuration has ${mistakes.length} ${mistakes.length === 1 ? 'mistake' : 'mistakes'}:\n${mistakes.map((mistake) => `  ${mistake}`).join('\n')}`,
      {
        hint: 'Set these environment variables and start again.',
      },
    );
  }
  return result.data;
}

/** An empty variable counts as not set, as compose files and charts write it. */
function readVariable(name: string, env: NodeJS.ProcessEnv): string | undefined {
  const direct = env[name] || undefined;
  const file = env[`${name}_FILE`] || undefined;
  if (file === undefined) return direct;
  if (direct !== undefined) throw new Error(`${name}: both ${name} and ${name}_FILE are set; keep one`);
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    throw new Error(`${name}_FILE: cannot read ${file} (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`);
  }
}

/** Never quotes the value: it may be a secret. */
function describe(name: string, issue: z.core.$ZodIssue, missing: boolean, schema: z.ZodObject): string {
  const examples = (schema.shape[name] as z.ZodType | undefined)?.meta()?.examples;
  const example = Array.isArray(examples) && examples.length > 0 ? `, for example ${name}=${String(examples[0])}` : '';
  return `${name}: ${missing ? 'is not set' : issue.message}${example}`;
}
