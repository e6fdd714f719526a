import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { CreateServerGroup, pageOf, PageQuery, ServerGroup, UpdateServerGroup, type Page, type Principal } from '@rahat/contracts';
import { CurrentPrincipal, IfMatch, Requires, Tagged, WithinServerGroups, type Expected } from '@rahat/service-kit';
import { ServerGroupsService } from './server-groups.service.js';

@ApiTags('servers')
@Controller('api/v2/server-groups')
export class ServerGroupsController {
  constructor(@Inject(ServerGroupsService) private readonly groups: ServerGroupsService) {}

  @Post()
  @Requires('server:write')
  @ApiOperation({ operationId: 'server_groups_create', summary: 'Make a group of servers that plans can select' })
  @ApiCreatedResponse({ standardSchema: ServerGroup })
  @Tagged('servers')
  async create(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: CreateServerGroup }) request: CreateServerGroup,
  ): Promise<ServerGroup> {
    return this.groups.create(principal, request);
  }

  @Get()
  @Requires('server:read')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'server_groups_list', summary: 'The server groups, newest first' })
  @ApiOkResponse({ standardSchema: pageOf(ServerGroup) })
  async list(@CurrentPrincipal() principal: Principal, @Query({ schema: PageQuery }) query: PageQuery): Promise<Page<ServerGroup>> {
    return this.groups.list(principal, query);
  }

  @Get(':id')
  @Requires('server:read')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'server_groups_get', summary: 'One server group' })
  @ApiOkResponse({ standardSchema: ServerGroup })
  @Tagged('servers')
  async get(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<ServerGroup> {
    return this.groups.get(principal, id);
  }

  @Patch(':id')
  @Requires('server:write')
  @ApiOperation({ operationId: 'server_groups_update', summary: 'Rename or describe a server group' })
  @ApiOkResponse({ standardSchema: ServerGroup })
  @Tagged('servers')
  async update(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body({ schema: UpdateServerGroup }) request: UpdateServerGroup,
    @IfMatch() expected: Expected,
  ): Promise<ServerGroup> {
    return this.groups.update(principal, id, request, expected);
  }

  @Delete(':id')
  @Requires('server:write')
  @HttpCode(204)
  @ApiOperation({ operationId: 'server_groups_delete', summary: 'Delete a group that no plan selects; its servers stay' })
  @ApiNoContentResponse()
  @Tagged('servers')
  async remove(@CurrentPrincipal() principal: Principal, @Param('id') id: string, @IfMatch() expected: Expected): Promise<void> {
    await this.groups.remove(principal, id, expected);
  }
}
