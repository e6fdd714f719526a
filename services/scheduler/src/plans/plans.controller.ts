import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Patch, Post, Query, Res } from '@nestjs/common';
import { ApiAcceptedResponse, ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import {
  CreatePlan,
  pageOf,
  PageQuery,
  Plan,
  RetentionPreview,
  StartedRuns,
  UpdatePlan,
  type Page,
  type Principal,
} from '@rahat/contracts';
import { CurrentPrincipal, Requires } from '@rahat/service-kit';
import { RetentionService } from '../retention/retention.service.js';
import { announceRuns, type LocationResponse } from '../runs/location.js';
import { BackupNow } from '../runs/backup-now.js';
import { PlansService } from './plans.service.js';

@ApiTags('plans')
@Controller('api/v2/plans')
export class PlansController {
  constructor(
    @Inject(PlansService) private readonly plans: PlansService,
    @Inject(BackupNow) private readonly backupNow: BackupNow,
    @Inject(RetentionService) private readonly retention: RetentionService,
  ) {}

  @Post()
  @Requires('plan:write')
  @ApiOperation({ operationId: 'plans_create', summary: 'Say what to back up, when, where to and how it is verified' })
  @ApiCreatedResponse({ standardSchema: Plan })
  async create(@CurrentPrincipal() principal: Principal, @Body({ schema: CreatePlan }) request: CreatePlan): Promise<Plan> {
    return this.plans.create(principal, request);
  }

  @Get()
  @Requires('plan:read')
  @ApiOperation({ operationId: 'plans_list', summary: 'The plans, newest first' })
  @ApiOkResponse({ standardSchema: pageOf(Plan) })
  async list(@CurrentPrincipal() principal: Principal, @Query({ schema: PageQuery }) query: PageQuery): Promise<Page<Plan>> {
    return this.plans.list(principal, query);
  }

  @Get(':id')
  @Requires('plan:read')
  @ApiOperation({ operationId: 'plans_get', summary: 'One plan, with its next five runs' })
  @ApiOkResponse({ standardSchema: Plan })
  async get(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<Plan> {
    return this.plans.get(principal, id);
  }

  @Patch(':id')
  @Requires('plan:write')
  @ApiOperation({ operationId: 'plans_update', summary: 'Change, pause or resume a plan' })
  @ApiOkResponse({ standardSchema: Plan })
  async update(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body({ schema: UpdatePlan }) request: UpdatePlan,
  ): Promise<Plan> {
    return this.plans.update(principal, id, request);
  }

  @Delete(':id')
  @Requires('plan:write')
  @HttpCode(204)
  @ApiOperation({ operationId: 'plans_delete', summary: 'Delete a plan; its backups stay' })
  @ApiNoContentResponse()
  async remove(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<void> {
    await this.plans.remove(principal, id);
  }

  @Post(':id/runs')
  @Requires('run:write')
  @HttpCode(202)
  @ApiOperation({ operationId: 'plans_run', summary: 'Back up now: one run for each database' })
  @ApiAcceptedResponse({ standardSchema: StartedRuns })
  async run(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Res({ passthrough: true }) response: LocationResponse,
  ): Promise<{ runs: unknown[] }> {
    return announceRuns(response, await this.backupNow.start(principal, id));
  }

  @Get(':id/retention')
  @Requires('backup:read')
  @ApiOperation({ operationId: 'plans_retention', summary: 'What retention would remove now, and why the rest stays' })
  @ApiOkResponse({ standardSchema: RetentionPreview })
  async previewRetention(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<RetentionPreview> {
    return this.retention.preview(principal, id);
  }
}
