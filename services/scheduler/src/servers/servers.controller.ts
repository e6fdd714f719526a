import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import {
  BackupUserOfServer,
  CreateBackupUser,
  CreateServer,
  pageOf,
  PreflightReport,
  PreflightRequest,
  ProbeReport,
  Server,
  ServerQuery,
  UpdateServer,
  type Page,
  type Principal,
} from '@rahat/contracts';
import { CurrentPrincipal, Edits, IfMatch, Requires, Tagged, WithinServerGroups, type Expected } from '@rahat/service-kit';
import { ServerAccess } from './server-access.js';
import { ServersService } from './servers.service.js';

@ApiTags('servers')
@Controller('api/v2/servers')
export class ServersController {
  constructor(
    @Inject(ServersService) private readonly servers: ServersService,
    @Inject(ServerAccess) private readonly access: ServerAccess,
  ) {}

  @Post()
  @Requires('server:write')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'servers_create', summary: 'Add a database server by URL, or by address and password' })
  @ApiCreatedResponse({ standardSchema: Server })
  @Tagged('identity', 'version')
  async create(@CurrentPrincipal() principal: Principal, @Body({ schema: CreateServer }) request: CreateServer): Promise<Server> {
    return this.servers.create(principal, request);
  }

  @Post('test')
  @Requires('server:write')
  @WithinServerGroups()
  @HttpCode(200)
  @ApiOperation({ operationId: 'servers_try', summary: 'Test a connection before saving it' })
  @ApiOkResponse({ standardSchema: ProbeReport })
  async tryOut(@Body({ schema: CreateServer }) request: CreateServer): Promise<ProbeReport> {
    return this.servers.tryOut(request);
  }

  @Get()
  @Requires('server:read')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'servers_list', summary: 'The servers, newest first; by group and tags' })
  @ApiOkResponse({ standardSchema: pageOf(Server) })
  async list(@CurrentPrincipal() principal: Principal, @Query({ schema: ServerQuery }) query: ServerQuery): Promise<Page<Server>> {
    return this.servers.list(principal, query);
  }

  @Get(':id')
  @Requires('server:read')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'servers_get', summary: 'One server' })
  @ApiOkResponse({ standardSchema: Server })
  @Tagged('identity', 'version')
  async get(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<Server> {
    return this.servers.get(principal, id);
  }

  @Patch(':id')
  @Requires('server:write')
  @WithinServerGroups()
  @ApiOperation({
    operationId: 'servers_update',
    summary: 'Change name, address, password, worker pool, groups, tags, limits or blackout windows',
  })
  @ApiOkResponse({ standardSchema: Server })
  @Tagged('identity', 'version')
  async update(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body({ schema: UpdateServer }) request: UpdateServer,
    @IfMatch() expected: Expected,
  ): Promise<Server> {
    return this.servers.update(principal, id, request, expected);
  }

  @Delete(':id')
  @Requires('server:write')
  @WithinServerGroups()
  @HttpCode(204)
  @ApiOperation({ operationId: 'servers_delete', summary: 'Delete a server that no plan protects; its backups stay' })
  @ApiNoContentResponse()
  @Tagged('identity', 'version')
  async remove(@CurrentPrincipal() principal: Principal, @Param('id') id: string, @IfMatch() expected: Expected): Promise<void> {
    await this.servers.remove(principal, id, expected);
  }

  @Post(':id/test')
  @Requires('server:write')
  @WithinServerGroups()
  @HttpCode(200)
  @ApiOperation({ operationId: 'servers_test', summary: 'Test the connection and the rights of a server' })
  @ApiOkResponse({ standardSchema: ProbeReport })
  async test(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<ProbeReport> {
    return this.servers.test(principal, id);
  }

  @Post(':id/preflight')
  @Requires('server:write')
  @WithinServerGroups()
  @HttpCode(200)
  @ApiOperation({
    operationId: 'servers_preflight',
    summary: 'What a server and its databases lack for backups, each with the SQL that cures it',
  })
  @ApiOkResponse({ standardSchema: PreflightReport })
  async preflight(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body({ schema: PreflightRequest }) request: PreflightRequest,
  ): Promise<PreflightReport> {
    return this.access.preflight(principal, id, request);
  }

  @Post(':id/backup-user')
  @Requires('server:write')
  @WithinServerGroups()
  @HttpCode(200)
  @ApiOperation({
    operationId: 'servers_make_backup_user',
    summary: 'Make a user on the server that only reads, and back up as that user from then on',
  })
  @ApiOkResponse({ standardSchema: BackupUserOfServer })
  @Edits('identity', 'version')
  async makeBackupUser(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body({ schema: CreateBackupUser }) request: CreateBackupUser,
    @IfMatch() expected: Expected,
  ): Promise<BackupUserOfServer> {
    return this.access.makeBackupUser(principal, id, request, expected);
  }
}
