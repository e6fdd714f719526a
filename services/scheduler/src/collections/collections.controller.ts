import { Body, Controller, Get, HttpCode, Inject, Param, Patch, Post, Query, Res } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ChangeCollectionPolicy, CollectionPolicy, pageOf, PageQuery, Run, type Page, type Principal } from '@rahat/contracts';
import { CurrentPrincipal, IfMatch, Requires, Tagged, type Expected } from '@rahat/service-kit';
import { announceRun, type LocationResponse } from '../runs/location.js';
import { CollectionsService } from './collections.service.js';

@ApiTags('collections')
@Controller('api/v2/collections')
export class CollectionsController {
  constructor(@Inject(CollectionsService) private readonly collections: CollectionsService) {}

  @Get()
  @Requires('storage:read')
  @ApiOperation({ operationId: 'collections_list', summary: 'When each repository is freed of what no snapshot needs' })
  @ApiOkResponse({ standardSchema: pageOf(CollectionPolicy) })
  async list(@CurrentPrincipal() principal: Principal, @Query({ schema: PageQuery }) query: PageQuery): Promise<Page<CollectionPolicy>> {
    return this.collections.list(principal, query);
  }

  @Get(':repository')
  @Requires('storage:read')
  @ApiOperation({ operationId: 'collections_get', summary: 'When this repository is freed of what no snapshot needs' })
  @ApiOkResponse({ standardSchema: CollectionPolicy })
  @Tagged()
  async get(@CurrentPrincipal() principal: Principal, @Param('repository') repository: string): Promise<CollectionPolicy> {
    return this.collections.get(principal, repository);
  }

  @Patch(':repository')
  @Requires('storage:write')
  @ApiOperation({ operationId: 'collections_update', summary: 'When this repository is collected, and how long a removal can be undone' })
  @ApiOkResponse({ standardSchema: CollectionPolicy })
  @Tagged()
  async change(
    @CurrentPrincipal() principal: Principal,
    @Param('repository') repository: string,
    @Body({ schema: ChangeCollectionPolicy }) change: ChangeCollectionPolicy,
    @IfMatch() expected: Expected,
  ): Promise<CollectionPolicy> {
    return this.collections.change(principal, repository, change, expected);
  }

  @Post(':repository/runs')
  @Requires('run:write')
  @HttpCode(202)
  @ApiOperation({ operationId: 'collections_run', summary: 'Collect this repository now' })
  @ApiAcceptedResponse({ standardSchema: Run })
  async start(
    @CurrentPrincipal() principal: Principal,
    @Param('repository') repository: string,
    @Res({ passthrough: true }) response: LocationResponse,
  ): Promise<Run> {
    return announceRun(response, await this.collections.start(principal, repository));
  }
}
