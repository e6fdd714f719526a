const SECRET_NAME = /pass(word|phrase)|secret|token|credential|private|authorization|cookie|(master|metadata|recovery)_?key|api_?key$/i;
const SECRET_TEXT = /rhb_[0-9a-f]{32}_[0-9a-f]{64}_[0-9a-f]{8}|rh[cdiprs]_[\w-]{40,}|(?<=:\/\/[^\s:/@]*:)[^\s@/]+(?=@)/g;
const DEEPEST = 8;
/** Says of a credential that it was given anew (changesBetween of the service kit). */
const CHANGED = '[changed]';

/** Second defence: the trail is kept for ever, so what looks like a secret doesn't enter it. */
export function withoutSecrets(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return value.replace(SECRET_TEXT, '[redacted]');
  if (value === null || typeof value !== 'object') return value;
  if (depth >= DEEPEST) return '[too deep]';
  if (Array.isArray(value)) return value.map((item) => withoutSecrets(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [
      key,
      SECRET_NAME.test(key) && typeof member === 'string' && member !== CHANGED ? '[redacted]' : withoutSecrets(member, depth + 1),
    ]),
  );
}
