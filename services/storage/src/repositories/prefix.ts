/** A folder name made of a repository's name: `Ankara müşteri #1` → `ankara-musteri-1`. */
export function prefixFromName(name: string): string {
  const plain = name
    .normalize('NFKD')
    .replaceAll('ı', 'i')
    .toLowerCase()
    .replaceAll(/\p{M}/gu, '')
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 60);
  return plain === '' ? 'repository' : plain;
}

/** `.` and `..` have the right letters and would leave the storage's folder. */
export function isFolderName(prefix: string): boolean {
  return /[a-z0-9]/.test(prefix) && !prefix.startsWith('.');
}
