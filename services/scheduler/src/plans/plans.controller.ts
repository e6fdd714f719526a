import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Patch, Post, Query, Res } from '@nestjs/common';
import { ApiAcceptedResponse, ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import {
  ConfirmRetention,
  CreatePlan,
  ExplainScheduleQuery,
  pageOf,
  PausePlan,
  Plan,
  PlanQuery,
  RetentionPreview,
  RunPlanQuery,
  ScheduleExplanation,
  StartedRuns,
  UpdatePlan,
  type Page,
  type Principal,
} from '@rahat/contracts';
import { CurrentPrincipal, IfMatch, Requires, Tagged, WithinServerGroups, type Expected } from '@rahat/service-kit';
import { RetentionService } from '../retention/retention.service.js';
import { announceRuns, type LocationResponse } from '../runs/location.js';
import { BackupNow } from '../runs/backup-now.js';
import { ScheduleExplanations } from './schedule-explanations.js';
import { PlansService } from './plans.service.js';

@ApiTags('plans')
@Controller('api/v2/plans')
export class PlansController {
  constructor(
    @Inject(PlansService) private readonly plans: PlansService,
    @Inject(BackupNow) private readonly backupNow: BackupNow,
    @Inject(RetentionService) private readonly retention: RetentionService,
    @Inject(ScheduleExplanations) private readonly explanations: ScheduleExplanations,
  ) {}

  @Post()
  @Requires('plan:write')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'plans_create', summary: 'Say what to back up, when, where to and how it is verified' })
  @ApiCreatedResponse({ standardSchema: Plan })
  @Tagged('nextRuns')
  async create(@CurrentPrincipal() principal: Principal, @Body({ schema: CreatePlan }) request: CreatePlan): Promise<Plan> {
    return this.plans.create(principal, request);
  }

  @Get()
  @Requires('plan:read')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'plans_list', summary: 'The plans, newest first; by server, group and tags' })
  @ApiOkResponse({ standardSchema: pageOf(Plan) })
  async list(@CurrentPrincipal() principal: Principal, @Query({ schema: PlanQuery }) query: PlanQuery): Promise<Page<Plan>> {
    return this.plans.list(principal, query);
  }

  @Get('explain')
  @Requires('plan:read')
  @WithinServerGroups()
  @ApiOperation({
    operationId: 'plans_explain_schedule',
    summary: 'What a cron expression means: words, next runs, changes of the clock, collisions',
  })
  @ApiOkResponse({ standardSchema: ScheduleExplanation })
  async explain(
    @CurrentPrincipal() principal: Principal,
    @Query({ schema: ExplainScheduleQuery }) query: ExplainScheduleQuery,
  ): Promise<ScheduleExplanation> {
    return this.explanations.explain(principal, query);
  }

  @Get(':id')
  @Requires('plan:read')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'plans_get', summary: 'One plan, with its next five runs' })
  @ApiOkResponse({ standardSchema: Plan })
  @Tagged('nextRuns')
  async get(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<Plan> {
    return this.plans.get(principal, id);
  }

  @Patch(':id')
  @Requires('plan:write')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'plans_update', summary: 'Change, pause or resume a plan' })
  @ApiOkResponse({ standardSchema: Plan })
  @Tagged('nextRuns')
  async update(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body({ schema: UpdatePlan }) request: UpdatePlan,
    @IfMatch() expected: Expected,
  ): Promise<Plan> {
    return this.plans.update(principal, id, request, expected);
  }

  @Delete(':id')
  @Requires('plan:write')
  @WithinServerGroups()
  @HttpCode(204)
  @ApiOperation({ operationId: 'plans_delete', summary: 'Delete a plan; its backups stay' })
  @ApiNoContentResponse()
  @Tagged('nextRuns')
  async remove(@CurrentPrincipal() principal: Principal, @Param('id') id: string, @IfMatch() expected: Expected): Promise<void> {
    await this.plans.remove(principal, id, expected);
  }

  @Post(':id/pause')
  @Requires('plan:write')
  @WithinServerGroups()
  @HttpCode(200)
  @ApiOperation({ operationId: 'plans_pause', summary: 'Pause a plan: its occurrences are told as skipped until it is resumed' })
  @ApiOkResponse({ standardSchema: Plan })
  @Tagged('nextRuns')
  async pause(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body({ schema: PausePlan }) request: PausePlan,
  ): Promise<Plan> {
    return this.plans.pause(principal, id, request);
  }

  @Post(':id/resume')
  @Requires('plan:write')
  @WithinServerGroups()
  @HttpCode(200)
  @ApiOperation({ operationId: 'plans_resume', summary: 'Let a paused plan go on' })
  @ApiOkResponse({ standardSchema: Plan })
  @Tagged('nextRuns')
  async resume(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<Plan> {
    return this.plans.resume(principal, id);
  }

  @Post(':id/runs')
  @Requires('run:write')
  @WithinServerGroups()
  @HttpCode(202)
  @ApiOperation({ operationId: 'plans_run', summary: 'Back up now: one run for each database' })
  @ApiAcceptedResponse({ standardSchema: StartedRuns })
  async run(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Query({ schema: RunPlanQuery }) query: RunPlanQuery,
    @Res({ passthrough: true }) response: LocationResponse,
  ): Promise<{ runs: unknown[] }> {
    return announceRuns(response, await this.backupNow.start(principal, id, query.type));
  }

  @Get(':id/retention')
  @Requires('backup:read')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'plans_retention', summary: 'What retention would remove now, and why the rest stays' })
  @ApiOkResponse({ standardSchema: RetentionPreview })
  async previewRetention(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<RetentionPreview> {
    return this.retention.preview(principal, id);
  }

  @Post(':id/retention')
  @Requires('backup:write')
  @WithinServerGroups()
  @HttpCode(200)
  @ApiOperation({ operationId: 'plans_confirm_retention', summary: 'Remove what the preview showed, however much it is' })
  @ApiOkResponse({ standardSchema: RetentionPreview })
  async confirmRetention(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body({ schema: ConfirmRetention }) request: ConfirmRetention,
  ): Promise<RetentionPreview> {
    return this.retention.confirm(principal, id, request);
  }
}
