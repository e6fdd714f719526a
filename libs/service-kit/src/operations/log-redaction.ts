const SECRET_NAMES =
  /^(authorization|cookie|set-cookie|rahat-principal|sealed.*|.*(password|passphrase|token|secret|credential|(private|master|metadata|recovery|api)_?key)s?)$/i;
const REDACTED = '[redacted]';
const DEEPEST = 8;

/** A copy without the values of secret names; only plain objects and arrays are looked into. */
export function redactSecrets(value: unknown, depth = 0): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (depth > DEEPEST) return '[deep]';
  if (Array.isArray(value)) return value.map((item) => redactSecrets(item, depth + 1));
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [
      name,
      SECRET_NAMES.test(name) && item !== undefined ? REDACTED : redactSecrets(item, depth + 1),
    ]),
  );
}

/** Not the error's other members: a failed query carries its parameters, which may be secrets. */
export function describeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return redactSecrets(error);
  const { code, cause } = error as Error & { code?: unknown };
  return {
    type: error.name,
    message: error.message,
    code,
    stack: error.stack,
    cause: cause === undefined || depth > DEEPEST ? undefined : describeError(cause, depth + 1),
  };
}
