import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiKey, CreateApiKey, CreatedApiKey, pageOf, PageQuery, type Page, type Principal } from '@rahat/contracts';
import { CurrentPrincipal, Requires, WithinServerGroups } from '@rahat/service-kit';
import { ApiKeysService } from './api-keys.service.js';

@ApiTags('api keys')
@Controller('api/v2/api-keys')
export class ApiKeysController {
  constructor(@Inject(ApiKeysService) private readonly apiKeys: ApiKeysService) {}

  @Post()
  @Requires()
  @WithinServerGroups()
  @ApiOperation({ operationId: 'api_keys_create', summary: 'Make an API key within your own rights; its secret is shown this once' })
  @ApiCreatedResponse({ standardSchema: CreatedApiKey })
  async create(@CurrentPrincipal() principal: Principal, @Body({ schema: CreateApiKey }) request: CreateApiKey): Promise<CreatedApiKey> {
    return this.apiKeys.create(principal, request);
  }

  @Get()
  @Requires()
  @WithinServerGroups()
  @ApiOperation({ operationId: 'api_keys_list', summary: 'Your API keys, or with api-key:read those of the organization; newest first' })
  @ApiOkResponse({ standardSchema: pageOf(ApiKey) })
  async list(@CurrentPrincipal() principal: Principal, @Query({ schema: PageQuery }) page: PageQuery): Promise<Page<ApiKey>> {
    return this.apiKeys.list(principal, page);
  }

  @Get(':id')
  @Requires()
  @WithinServerGroups()
  @ApiOperation({ operationId: 'api_keys_get', summary: 'One API key, without its secret' })
  @ApiOkResponse({ standardSchema: ApiKey })
  async get(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<ApiKey> {
    return this.apiKeys.get(principal, id);
  }

  @Delete(':id')
  @Requires()
  @WithinServerGroups()
  @HttpCode(204)
  @ApiOperation({
    operationId: 'api_keys_revoke',
    summary: 'Revoke an API key of yours, or with api-key:write any; it stops within 10 seconds',
  })
  @ApiNoContentResponse()
  async revoke(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<void> {
    await this.apiKeys.revoke(principal, id);
  }
}
