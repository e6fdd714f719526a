import Sequencer from '@jest/test-sequencer';

/** Suites of minutes, the longest first: one of them begun last would leave the other core idle. */
const LONGEST = [
  'e2e/src/cluster-faults',
  'libs/repository/src/disasters/s3-kills',
  'libs/repository/src/disasters/local-kills',
  'e2e/src/kills',
  'e2e/src/point-in-time',
  'libs/repository/src/fault-loop',
  'libs/execution/src/many-tables',
  'e2e/src/main-job',
  'e2e/src/sources',
  'libs/connectors/postgresql/src/physical/base-backup',
  'libs/connectors/postgresql/src/wal/point-in-time',
  'libs/repository/src/disasters/stopped-processes',
  'e2e/src/',
  'libs/connectors/postgresql/src/logical/every-major',
  'libs/connectors/postgresql/src/physical/incremental',
  'libs/connectors/postgresql/src/logical/logical-faults',
  'clients/reader/src/engine',
];

export default class LongestFirst extends Sequencer {
  async sort(tests) {
    const rank = ({ path }) => {
      const index = LONGEST.findIndex((name) => path.includes(`/${name}`));
      return index === -1 ? LONGEST.length : index;
    };
    return [...(await super.sort(tests))].sort((one, other) => rank(one) - rank(other));
  }
}
