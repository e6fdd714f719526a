const IN_HOST = [
  /\.([a-z]{2}(?:-[a-z]+){1,3}-\d{1,2})\.rds\.amazonaws\.com(?:\.cn)?$/i,
  // China names them the other way round.
  /\.rds\.([a-z]{2}(?:-[a-z]+){1,3}-\d{1,2})\.amazonaws\.com\.cn$/i,
];

/** The region that Amazon's own name of a database server tells; undefined where the host is called otherwise. */
export function regionOfRdsHost(host: string): string | undefined {
  for (const pattern of IN_HOST) {
    const region = pattern.exec(host)?.[1];
    if (region !== undefined) return region.toLowerCase();
  }
  return undefined;
}
