import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Backup, pageOf, RemoveBackup, TrashedBackup, TrashQuery, type Page, type Principal } from '@rahat/contracts';
import { CurrentPrincipal, Requires, WithinServerGroups } from '@rahat/service-kit';
import { TrashService } from './trash.service.js';

@ApiTags('backups')
@Controller('api/v2')
export class TrashController {
  constructor(@Inject(TrashService) private readonly trash: TrashService) {}

  @Get('trash')
  @Requires('backup:read')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'trash_list', summary: 'Removed backups that can still be brought back, the last one first' })
  @ApiOkResponse({ standardSchema: pageOf(TrashedBackup) })
  async list(@CurrentPrincipal() principal: Principal, @Query({ schema: TrashQuery }) query: TrashQuery): Promise<Page<TrashedBackup>> {
    return this.trash.list(principal, query);
  }

  @Post('backups/:id/remove')
  @Requires('backup:write')
  @WithinServerGroups()
  @HttpCode(202)
  @ApiOperation({ operationId: 'backups_remove', summary: 'Move a backup to the trash, as far as floor, holds and chains allow it' })
  @ApiAcceptedResponse({ standardSchema: Backup })
  async remove(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body({ schema: RemoveBackup }) request: RemoveBackup,
  ): Promise<Backup> {
    return this.trash.remove(principal, id, request);
  }

  @Post('backups/:id/bring-back')
  @Requires('backup:write')
  @WithinServerGroups()
  @HttpCode(202)
  @ApiOperation({ operationId: 'backups_bring_back', summary: 'Undo the removal of a backup; it comes back with its proof, and held' })
  @ApiAcceptedResponse({ standardSchema: Backup })
  async bringBack(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<Backup> {
    return this.trash.bringBack(principal, id);
  }
}
