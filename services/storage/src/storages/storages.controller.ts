import { Body, Controller, Get, Inject, Param, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { CreateStorage, pageOf, PageQuery, Storage, type Page, type Principal } from '@rahat/contracts';
import { CurrentPrincipal, Requires } from '@rahat/service-kit';
import { StoragesService } from './storages.service.js';

@ApiTags('storages')
@Controller('api/v2/storages')
export class StoragesController {
  constructor(@Inject(StoragesService) private readonly storages: StoragesService) {}

  @Post()
  @Requires('storage:write')
  @ApiOperation({
    operationId: 'storages_create',
    summary: 'Add a place for repositories, after writing, reading and removing a file there',
  })
  @ApiCreatedResponse({ standardSchema: Storage })
  async create(@CurrentPrincipal() principal: Principal, @Body({ schema: CreateStorage }) request: CreateStorage): Promise<Storage> {
    return this.storages.create(principal, request);
  }

  @Get()
  @Requires('storage:read')
  @ApiOperation({ operationId: 'storages_list', summary: 'The storages with their free space, newest first' })
  @ApiOkResponse({ standardSchema: pageOf(Storage) })
  async list(@CurrentPrincipal() principal: Principal, @Query({ schema: PageQuery }) page: PageQuery): Promise<Page<Storage>> {
    return this.storages.list(principal, page);
  }

  @Get(':id')
  @Requires('storage:read')
  @ApiOperation({ operationId: 'storages_get', summary: 'One storage' })
  @ApiOkResponse({ standardSchema: Storage })
  async get(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<Storage> {
    return this.storages.get(principal, id);
  }
}
