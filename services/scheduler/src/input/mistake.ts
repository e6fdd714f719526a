import { z } from 'zod';

export interface Mistake {
  /** JSON pointer into the body. */
  pointer: string;
  message: string;
}

/** A rule that a schema can't know was broken; told like the schema's own mistakes, with pointers. */
export function mistaken(...mistakes: Mistake[]): Error {
  return new z.ZodRealError(
    mistakes.map(({ pointer, message }) => ({ code: 'custom' as const, path: pointer.split('/').slice(1), message, input: undefined })),
  );
}
