import type { ArtifactSource, Decoder } from '@rahat/connector-kit';
import { RahatError, type PostgresqlConnection } from '@rahat/contracts';
import { compareBackups } from '../compare/compare.js';
import { GLOBALS_KEY } from '../logical/artifact-names.js';
import { isLogical } from '../logical/stored-dump.js';
import { exportTable } from './export-table.js';
import { objectDdl } from './object-ddl.js';
import { outlineBackup } from './outline.js';

export const decoder: Decoder<PostgresqlConnection> = {
  outline: async (source) => outlineBackup(logical(source)),
  ddl: async (source, object) => objectDdl(logical(source), object),
  globals(source) {
    const artifact = logical(source).artifacts.find(({ key }) => key === GLOBALS_KEY);
    return artifact && source.read(artifact);
  },
  exportTable: (source, request, job) => exportTable(logical(source), request, job),
  compare: async (request, context, job) => compareBackups(request, context, job),
};

export function logical<Source extends ArtifactSource>(source: Source): Source {
  if (isLogical(source)) return source;
  throw new RahatError('invalid_input', 'A physical backup holds the files of a server, in which no tables can be seen', {
    hint: 'Restore it into a folder and start a server on it, or use a logical backup of the database.',
  });
}
