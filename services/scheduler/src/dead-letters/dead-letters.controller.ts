import { Controller, Delete, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { DeadLetter, pageOf, PageQuery, type Page, type Principal } from '@rahat/contracts';
import { CurrentPrincipal, Requires, WithinServerGroups } from '@rahat/service-kit';
import { DeadLettersService } from './dead-letters.service.js';

@ApiTags('dead-letters')
@Controller('api/v2/dead-letters')
export class DeadLettersController {
  constructor(@Inject(DeadLettersService) private readonly letters: DeadLettersService) {}

  @Get()
  @Requires('dead-letter:write')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'deadLetters_list', summary: 'Messages between services that were given up' })
  @ApiOkResponse({ standardSchema: pageOf(DeadLetter) })
  async list(@CurrentPrincipal() principal: Principal, @Query({ schema: PageQuery }) page: PageQuery): Promise<Page<DeadLetter>> {
    return this.letters.list(principal, page);
  }

  @Get(':id')
  @Requires('dead-letter:write')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'deadLetters_get', summary: 'One of them, with what it said' })
  @ApiOkResponse({ standardSchema: DeadLetter })
  async get(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<DeadLetter> {
    return this.letters.get(principal, id);
  }

  @Post(':id/retry')
  @Requires('dead-letter:write')
  @WithinServerGroups()
  @HttpCode(204)
  @ApiOperation({ operationId: 'deadLetters_retry', summary: 'Put it back to where it lay, with all its tries' })
  @ApiNoContentResponse()
  async retry(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<void> {
    await this.letters.retry(principal, id);
  }

  @Delete(':id')
  @Requires('dead-letter:write')
  @WithinServerGroups()
  @HttpCode(204)
  @ApiOperation({ operationId: 'deadLetters_discard', summary: 'Drop it; what it asked for is not done' })
  @ApiNoContentResponse()
  async discard(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<void> {
    await this.letters.discard(principal, id);
  }
}
