import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post, Put, Query } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import {
  CloudAccountState,
  ManagedSnapshot,
  ManagedSnapshotQuery,
  pageOf,
  SetCloudAccount,
  type Page,
  type Principal,
} from '@rahat/contracts';
import { CurrentPrincipal, Edits, IfMatch, Requires, Tagged, WithinServerGroups, type Expected } from '@rahat/service-kit';
import { AskProviders } from './ask-providers.js';
import { ManagedSnapshotsService } from './managed-snapshots.service.js';

@ApiTags('managed snapshots')
@Controller('api/v2/servers/:server')
export class ManagedSnapshotsController {
  constructor(
    @Inject(ManagedSnapshotsService) private readonly managed: ManagedSnapshotsService,
    @Inject(AskProviders) private readonly providers: AskProviders,
  ) {}

  @Get('cloud-account')
  @Requires('server:read')
  @WithinServerGroups()
  @ApiOperation({
    operationId: 'cloud_accounts_get',
    summary: "With which credentials the server's provider is asked, what it told of its own recovery, or why it didn't answer",
  })
  @ApiOkResponse({ standardSchema: CloudAccountState })
  @Tagged('answeredAt', 'error', 'recovery')
  async account(@CurrentPrincipal() principal: Principal, @Param('server') server: string): Promise<CloudAccountState> {
    return this.managed.account(principal, server);
  }

  @Put('cloud-account')
  @Requires('server:write')
  @WithinServerGroups()
  @ApiOperation({
    operationId: 'cloud_accounts_set',
    summary: "Have the server's provider asked for its snapshots from now on; another instance or cluster forgets those of the former one",
  })
  @ApiOkResponse({ standardSchema: CloudAccountState })
  @Tagged('answeredAt', 'error', 'recovery')
  async set(
    @CurrentPrincipal() principal: Principal,
    @Param('server') server: string,
    @Body({ schema: SetCloudAccount }) request: SetCloudAccount,
    @IfMatch() expected: Expected,
  ): Promise<CloudAccountState> {
    return this.managed.set(principal, server, request, expected);
  }

  @Delete('cloud-account')
  @Requires('server:write')
  @WithinServerGroups()
  @HttpCode(204)
  @ApiOperation({ operationId: 'cloud_accounts_remove', summary: 'Ask the provider no more, and forget the references to its snapshots' })
  @ApiNoContentResponse()
  @Edits('answeredAt', 'error', 'recovery')
  async remove(@CurrentPrincipal() principal: Principal, @Param('server') server: string, @IfMatch() expected: Expected): Promise<void> {
    await this.managed.remove(principal, server, expected);
  }

  @Get('managed-snapshots')
  @Requires('server:read')
  @WithinServerGroups()
  @ApiOperation({
    operationId: 'managed_snapshots_list',
    summary:
      "References to snapshots that lie at the server's provider, the newest first. They are in none of our repositories, and count as no proof; automated ones vanish with the server",
  })
  @ApiOkResponse({ standardSchema: pageOf(ManagedSnapshot) })
  async list(
    @CurrentPrincipal() principal: Principal,
    @Param('server') server: string,
    @Query({ schema: ManagedSnapshotQuery }) query: ManagedSnapshotQuery,
  ): Promise<Page<ManagedSnapshot>> {
    return this.managed.list(principal, server, query);
  }

  @Post('managed-snapshots/discover')
  @Requires('server:write')
  @WithinServerGroups()
  @HttpCode(200)
  @ApiOperation({ operationId: 'managed_snapshots_discover', summary: 'Ask the provider for its snapshots of this server now' })
  @ApiOkResponse({ standardSchema: CloudAccountState })
  async discover(@CurrentPrincipal() principal: Principal, @Param('server') server: string): Promise<CloudAccountState> {
    return this.providers.discover(principal, server);
  }
}
