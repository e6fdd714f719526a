import { Body, Controller, Get, HttpCode, Inject, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Database, DatabaseQuery, pageOf, UpdateDatabase, type Page, type Principal } from '@rahat/contracts';
import { CurrentPrincipal, Requires, WithinServerGroups } from '@rahat/service-kit';
import { presentDatabase, type DatabaseRow } from './databases.table.js';
import { DiscoveryService } from './discovery.service.js';

@ApiTags('databases')
@Controller('api/v2/servers/:server')
export class DatabasesController {
  constructor(@Inject(DiscoveryService) private readonly discovery: DiscoveryService) {}

  @Post('discover')
  @Requires('server:write')
  @WithinServerGroups()
  @HttpCode(200)
  @ApiOperation({ operationId: 'databases_discover', summary: 'Ask the server for its databases now' })
  @ApiOkResponse({ standardSchema: pageOf(Database) })
  async discover(@CurrentPrincipal() principal: Principal, @Param('server') server: string): Promise<Page<Database>> {
    return whole(await this.discovery.discover(principal, server));
  }

  @Get('databases')
  @Requires('server:read')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'databases_list', summary: 'The databases found on a server, by name' })
  @ApiOkResponse({ standardSchema: pageOf(Database) })
  async list(
    @CurrentPrincipal() principal: Principal,
    @Param('server') server: string,
    @Query({ schema: DatabaseQuery }) query: DatabaseQuery,
  ): Promise<Page<Database>> {
    return whole(await this.discovery.list(principal, server, query));
  }

  @Patch('databases/:id')
  @Requires('server:write')
  @WithinServerGroups()
  @ApiOperation({
    operationId: 'databases_update',
    summary: 'Tag a database, exclude it from plans that do not name it, or include it again',
  })
  @ApiOkResponse({ standardSchema: Database })
  async update(
    @CurrentPrincipal() principal: Principal,
    @Param('server') server: string,
    @Param('id') id: string,
    @Body({ schema: UpdateDatabase }) request: UpdateDatabase,
  ): Promise<Database> {
    return presentDatabase(await this.discovery.update(principal, server, id, request));
  }
}

function whole(rows: DatabaseRow[]): Page<Database> {
  return { data: rows.map(presentDatabase), page: { nextCursor: null, hasMore: false } };
}
