import { describe, expect, it } from '@jest/globals';
import { chooseExtension, compareVersions } from './extension-rules.js';

const offers = (versions: string[], standard = versions.at(-1) ?? null) => ({ versions, standard });
const severities = (choice: ReturnType<typeof chooseExtension>) => choice.findings.map(({ severity, code }) => `${severity} ${code}`);

describe('the rule of an extension', () => {
  it.each([
    ['postgis', '3.3.2', undefined, 'blocker extension_missing', undefined],
    ['postgis', '3.3.2', offers(['3.1.0', '3.2.9']), 'blocker extension_version', undefined],
    ['postgis', '3.9.2', offers(['3.9.2', '3.10.0']), undefined, undefined],
    ['postgis', '3.9.2', offers(['3.9.2', '3.8.0'], '3.8.0'), undefined, '3.9.2'],
    ['postgis', '3.9.2', offers(['3.8.0', '3.10.0', '3.11.1'], '3.8.0'), 'warning extension_version', '3.11.1'],
    ['postgis', '3.9.2', offers(['3.10.0', '3.11.1'], '3.10.0'), 'warning extension_version', undefined],
    ['timescaledb', '2.14.2', undefined, 'blocker extension_missing', undefined],
    ['timescaledb', '2.14.2', offers(['2.14.1', '2.15.0']), 'blocker extension_version', undefined],
    ['timescaledb', '2.14.2', offers(['2.14.2', '2.15.0']), undefined, '2.14.2'],
    ['timescaledb', '2.14.2', offers(['2.14.2']), undefined, undefined],
  ] as const)('of %s %s with %j is %s', (name, version, offered, finding, made) => {
    const choice = chooseExtension({ name, version }, offered && { ...offered, versions: [...offered.versions] });
    expect(severities(choice)).toEqual(finding === undefined ? [] : [finding]);
    expect(choice.version).toBe(made);
    if (finding?.startsWith('blocker'))
      expect(choice.findings[0]).toMatchObject({ object: name, message: expect.stringContaining(version) });
  });

  it('compares versions by their numbers', () => {
    const sorted = ['unpackaged', '1', '1.9', '1.10', '2.0-dev', '2.0', '2.0.1', '10'];
    expect(sorted.toReversed().toSorted(compareVersions)).toEqual(sorted);
  });
});
