/**
 * Padmé (Nikitin et al., PETS 2019): lengths are rounded up so that they tell O(log log n) bits of the content,
 * at a cost of at most 12 %.
 */
export function padmeLength(length: number): number {
  if (length < 2) return length;
  const exponent = 31 - Math.clz32(length);
  const exponentBits = 32 - Math.clz32(exponent);
  const step = 2 ** Math.max(exponent - exponentBits, 0);
  return Math.ceil(length / step) * step;
}
