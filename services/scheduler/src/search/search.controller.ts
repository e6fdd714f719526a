import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { CreateSavedSearch, pageOf, PageQuery, SavedSearch, SearchQuery, SearchResult, type Page, type Principal } from '@rahat/contracts';
import { CurrentPrincipal, Requires, WithinServerGroups } from '@rahat/service-kit';
import { SavedSearchesService } from './saved-searches.service.js';
import { SearchService } from './search.service.js';

@ApiTags('catalog')
@Controller('api/v2')
export class SearchController {
  constructor(
    @Inject(SearchService) private readonly searchService: SearchService,
    @Inject(SavedSearchesService) private readonly saved: SavedSearchesService,
  ) {}

  @Get('search')
  @Requires('server:read', 'plan:read', 'run:read', 'backup:read')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'search', summary: 'Servers, plans, runs and backups by words, or beginnings of words, that stand in them' })
  @ApiOkResponse({ standardSchema: SearchResult })
  async search(@CurrentPrincipal() principal: Principal, @Query({ schema: SearchQuery }) query: SearchQuery): Promise<SearchResult> {
    return this.searchService.search(principal, query);
  }

  @Get('saved-searches')
  @Requires('backup:read')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'saved_searches_list', summary: 'Searches that somebody of the organization keeps, newest first' })
  @ApiOkResponse({ standardSchema: pageOf(SavedSearch) })
  async list(@CurrentPrincipal() principal: Principal, @Query({ schema: PageQuery }) page: PageQuery): Promise<Page<SavedSearch>> {
    return this.saved.list(principal, page);
  }

  @Post('saved-searches')
  @Requires('backup:write')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'saved_searches_create', summary: 'Keep a list with its filters under a name' })
  @ApiCreatedResponse({ standardSchema: SavedSearch })
  async create(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: CreateSavedSearch }) request: CreateSavedSearch,
  ): Promise<SavedSearch> {
    return this.saved.create(principal, request);
  }

  @Delete('saved-searches/:id')
  @Requires('backup:write')
  @WithinServerGroups()
  @HttpCode(204)
  @ApiOperation({ operationId: 'saved_searches_remove', summary: 'Forget a saved search' })
  @ApiNoContentResponse()
  async remove(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<void> {
    return this.saved.remove(principal, id);
  }
}
