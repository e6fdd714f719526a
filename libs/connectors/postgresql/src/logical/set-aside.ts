/** `YYYYMMDDhhmmss`, in UTC: what lies aside tells since when. */
export function secondOf(at: Date): string {
  return at.toISOString().replaceAll(/\D/g, '').slice(0, 14);
}

/** A free name of this second, or of the next one that has one: two restores in one second must not meet. */
export async function freeName(at: Date, nameOf: (at: Date) => string, isTaken: (name: string) => Promise<boolean>): Promise<string> {
  for (let moment = at; ; moment = new Date(moment.getTime() + 1000)) {
    const name = nameOf(moment);
    if (!(await isTaken(name))) return name;
  }
}
