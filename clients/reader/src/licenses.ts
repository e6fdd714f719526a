/** Put in by the bundler: the licences of what is built in. */
declare const BUNDLED_LICENSES: string | undefined;

export const LICENSES = typeof BUNDLED_LICENSES === 'string' ? BUNDLED_LICENSES : 'Apache-2.0; run the bundled file to see all licences.\n';
