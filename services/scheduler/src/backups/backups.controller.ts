import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post, Put, Query, Res } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Backup, BackupQuery, HoldBackup, pageOf, Run, VerifyBackup, type Page, type Principal } from '@rahat/contracts';
import { CurrentPrincipal, IfMatch, Requires, Tagged, WithinServerGroups, type Expected } from '@rahat/service-kit';
import { announceRun, type LocationResponse } from '../runs/location.js';
import { BackupHolds } from '../retention/backup-holds.js';
import { BackupsService } from './backups.service.js';

@ApiTags('backups')
@Controller('api/v2/backups')
export class BackupsController {
  constructor(
    @Inject(BackupsService) private readonly backups: BackupsService,
    @Inject(BackupHolds) private readonly holds: BackupHolds,
  ) {}

  @Get()
  @Requires('backup:read')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'backups_list', summary: 'The catalog of backups, newest first' })
  @ApiOkResponse({ standardSchema: pageOf(Backup) })
  async list(@CurrentPrincipal() principal: Principal, @Query({ schema: BackupQuery }) query: BackupQuery): Promise<Page<Backup>> {
    return this.backups.list(principal, query);
  }

  @Get(':id')
  @Requires('backup:read')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'backups_get', summary: 'One backup, with the proof that it reached' })
  @ApiOkResponse({ standardSchema: Backup })
  @Tagged()
  async get(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<Backup> {
    return this.backups.get(principal, id);
  }

  @Put(':id/hold')
  @Requires('backup:write')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'backups_hold', summary: 'Keep a backup whatever retention says, and say why' })
  @ApiOkResponse({ standardSchema: Backup })
  @Tagged()
  async hold(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body({ schema: HoldBackup }) request: HoldBackup,
    @IfMatch() expected: Expected,
  ): Promise<Backup> {
    return this.holds.hold(principal, id, request, expected);
  }

  @Delete(':id/hold')
  @Requires('backup:write')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'backups_release', summary: 'Leave a held backup to retention again' })
  @ApiOkResponse({ standardSchema: Backup })
  @Tagged()
  async release(@CurrentPrincipal() principal: Principal, @Param('id') id: string, @IfMatch() expected: Expected): Promise<Backup> {
    return this.holds.release(principal, id, expected);
  }

  @Post(':id/verify')
  @Requires('backup:write')
  @WithinServerGroups()
  @HttpCode(202)
  @ApiOperation({ operationId: 'backups_verify', summary: 'Verify a backup now; FULL is a test restore' })
  @ApiAcceptedResponse({ standardSchema: Run })
  async verify(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body({ schema: VerifyBackup }) request: VerifyBackup,
    @Res({ passthrough: true }) response: LocationResponse,
  ): Promise<Run> {
    return announceRun(response, await this.backups.verify(principal, id, request));
  }
}
