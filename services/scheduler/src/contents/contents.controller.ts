import type { ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { Controller, Get, Inject, Param, Query, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import {
  BackupDownloadQuery,
  BackupObjectQuery,
  BackupObjects,
  BackupRows,
  BackupRowsQuery,
  type ContentOrder,
  type Principal,
} from '@rahat/contracts';
import { CurrentPrincipal, Requires, WithinServerGroups } from '@rahat/service-kit';
import { ContentsService } from './contents.service.js';

const JSON_TYPE = 'application/json; charset=utf-8';
const SQL_TYPE = 'application/sql; charset=utf-8';
const TYPES = { sql: SQL_TYPE, csv: 'text/csv; charset=utf-8', 'json-lines': 'application/x-ndjson; charset=utf-8' };
const ENDINGS = { sql: 'sql', csv: 'csv', 'json-lines': 'jsonl' };

@ApiTags('backups')
@Controller('api/v2/backups/:id')
export class ContentsController {
  constructor(@Inject(ContentsService) private readonly contents: ContentsService) {}

  @Get('objects')
  @Requires('backup:download')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'backups_objects', summary: 'Schemas, tables, rows and sizes of a logical backup' })
  @ApiOkResponse({ standardSchema: BackupObjects })
  async objects(@CurrentPrincipal() principal: Principal, @Param('id') id: string, @Res() response: ServerResponse): Promise<void> {
    await this.send(response, principal, id, { kind: 'outline' }, { 'content-type': JSON_TYPE });
  }

  @Get('ddl')
  @Requires('backup:download')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'backups_ddl', summary: 'SQL that makes an object of a logical backup, with all that belongs to it' })
  @ApiProduces('application/sql')
  @ApiOkResponse({ schema: { type: 'string' }, description: 'SQL' })
  async ddl(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Query({ schema: BackupObjectQuery }) query: BackupObjectQuery,
    @Res() response: ServerResponse,
  ): Promise<void> {
    await this.send(response, principal, id, { kind: 'ddl', ...query }, { 'content-type': SQL_TYPE });
  }

  @Get('rows')
  @Requires('backup:download')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'backups_rows', summary: 'A page of the rows of a table, as a logical backup holds them' })
  @ApiOkResponse({ standardSchema: BackupRows })
  async rows(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Query({ schema: BackupRowsQuery }) query: BackupRowsQuery,
    @Res() response: ServerResponse,
  ): Promise<void> {
    await this.send(response, principal, id, { kind: 'rows', ...query }, { 'content-type': JSON_TYPE });
  }

  @Get('download')
  @Requires('backup:download')
  @WithinServerGroups()
  @ApiOperation({
    operationId: 'backups_download',
    summary:
      'A table of a logical backup as SQL, CSV or JSON lines, or its roles and tablespaces; what breaks off is an error, never a shorter file',
  })
  @ApiProduces('application/sql', 'text/csv', 'application/x-ndjson')
  @ApiOkResponse({ schema: { type: 'string' }, description: 'The file' })
  async download(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Query({ schema: BackupDownloadQuery }) query: BackupDownloadQuery,
    @Res() response: ServerResponse,
  ): Promise<void> {
    const { schema, name, format, formulaSafe } = query;
    const [order, type, file]: [ContentOrder, string, string] =
      schema === undefined || name === undefined
        ? [{ kind: 'globals' }, SQL_TYPE, 'globals.sql']
        : [
            { kind: 'table', schema, name, format, formulaSafe: formulaSafe === 'true' },
            TYPES[format],
            `${plain(schema)}.${plain(name)}.${ENDINGS[format]}`,
          ];
    await this.send(response, principal, id, order, { 'content-type': type, 'content-disposition': `attachment; filename="${file}"` });
  }

  /** By hand, so that each end breaks with the other one: a body that is only ended would be taken for whole. */
  private async send(
    response: ServerResponse,
    principal: Principal,
    id: string,
    order: ContentOrder,
    headers: Record<string, string>,
  ): Promise<void> {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const { body, taken, breakOff } = await this.contents.open(principal, id, order, gone.signal);
    response.writeHead(200, { ...headers, 'cache-control': 'no-store' });
    try {
      await pipeline(body, response);
      taken();
    } catch {
      response.destroy();
      breakOff();
    }
  }
}

/** Names may hold anything; a header and a file's name may not. */
function plain(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9_-]/g, '_').slice(0, 60);
}
