import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query, Res } from '@nestjs/common';
import { ApiAcceptedResponse, ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import {
  CreateRestorePlan,
  EndSafetyCopy,
  KeptSafetyCopy,
  pageOf,
  RestorePlan,
  Run,
  RunRestore,
  SafetyCopyEnd,
  SafetyCopyEndQuery,
  SafetyCopyQuery,
  type Page,
  type Principal,
} from '@rahat/contracts';
import { CurrentPrincipal, Requires, WithinServerGroups } from '@rahat/service-kit';
import { announceRun, type LocationResponse } from '../runs/location.js';
import { RestorePlansService } from './restore-plans.service.js';
import { SafetyCopiesService } from './safety-copies.service.js';

@ApiTags('restores')
@Controller('api/v2')
export class RestoresController {
  constructor(
    @Inject(RestorePlansService) private readonly restorePlans: RestorePlansService,
    @Inject(SafetyCopiesService) private readonly safetyCopies: SafetyCopiesService,
  ) {}

  @Post('restore-plans')
  @Requires('restore:write')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'restore_plans_create', summary: 'Say what a restore would do, without doing it' })
  @ApiCreatedResponse({ standardSchema: RestorePlan })
  async create(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: CreateRestorePlan }) request: CreateRestorePlan,
  ): Promise<RestorePlan> {
    return this.restorePlans.create(principal, request);
  }

  @Get('restore-plans/:id')
  @Requires('backup:read')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'restore_plans_get', summary: 'One restore plan' })
  @ApiOkResponse({ standardSchema: RestorePlan })
  async get(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<RestorePlan> {
    return this.restorePlans.get(principal, id);
  }

  @Post('restores')
  @Requires('restore:write')
  @WithinServerGroups()
  @HttpCode(202)
  @ApiOperation({ operationId: 'restores_run', summary: 'Run a restore plan that is still true' })
  @ApiAcceptedResponse({ standardSchema: Run })
  async run(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: RunRestore }) request: RunRestore,
    @Res({ passthrough: true }) response: LocationResponse,
  ): Promise<Run> {
    return announceRun(response, await this.restorePlans.run(principal, request));
  }

  @Get('restores/safety-copies')
  @Requires('backup:read')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'safety_copies_list', summary: 'Restores into live databases that can still be undone' })
  @ApiOkResponse({ standardSchema: pageOf(KeptSafetyCopy) })
  async listSafetyCopies(
    @CurrentPrincipal() principal: Principal,
    @Query({ schema: SafetyCopyQuery }) query: SafetyCopyQuery,
  ): Promise<Page<KeptSafetyCopy>> {
    return this.safetyCopies.list(principal, query);
  }

  @Get('runs/:id/safety-copy')
  @Requires('restore:write')
  @WithinServerGroups()
  @ApiOperation({
    operationId: 'safety_copies_outline_end',
    summary: 'What the undo of a restore, or the drop of what was kept for it, would do now',
  })
  @ApiOkResponse({ standardSchema: SafetyCopyEnd })
  async outlineEnd(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Query({ schema: SafetyCopyEndQuery }) query: SafetyCopyEndQuery,
  ): Promise<SafetyCopyEnd> {
    return this.safetyCopies.outlineEnd(principal, id, query);
  }

  @Post('runs/:id/safety-copy')
  @Requires('restore:write')
  @WithinServerGroups()
  @HttpCode(202)
  @ApiOperation({
    operationId: 'safety_copies_end',
    summary: 'Undo a restore into a live database, or drop what was kept for that',
  })
  @ApiAcceptedResponse({ standardSchema: Run })
  async endSafetyCopy(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body({ schema: EndSafetyCopy }) request: EndSafetyCopy,
    @Res({ passthrough: true }) response: LocationResponse,
  ): Promise<Run> {
    return announceRun(response, await this.safetyCopies.end(principal, id, request));
  }
}
