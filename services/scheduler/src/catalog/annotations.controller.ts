import { Body, Controller, Inject, Param, Patch, Put } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Annotate, Backup, Plan, Run, Server, SetNote, type Principal } from '@rahat/contracts';
import { CurrentPrincipal, IfMatch, Requires, Tagged, WithinServerGroups, type Expected } from '@rahat/service-kit';
import { BackupsService } from '../backups/backups.service.js';
import { PlansService } from '../plans/plans.service.js';
import { RunsService } from '../runs/runs.service.js';
import { ServersService } from '../servers/servers.service.js';
import { AnnotationsService } from './annotations.service.js';

@ApiTags('catalog')
@Controller('api/v2')
export class AnnotationsController {
  constructor(
    @Inject(AnnotationsService) private readonly annotations: AnnotationsService,
    @Inject(ServersService) private readonly servers: ServersService,
    @Inject(PlansService) private readonly plans: PlansService,
    @Inject(RunsService) private readonly runs: RunsService,
    @Inject(BackupsService) private readonly backups: BackupsService,
  ) {}

  @Put('servers/:id/note')
  @Requires('server:write')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'servers_note', summary: 'Write a note on a server; an empty one takes it away' })
  @ApiOkResponse({ standardSchema: Server })
  @Tagged('identity', 'version')
  async noteServer(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body({ schema: SetNote }) note: SetNote,
    @IfMatch() expected: Expected,
  ): Promise<Server> {
    await this.annotations.annotate(
      principal,
      { kind: 'server', id, shown: (transaction) => this.servers.getIn(transaction, id, principal) },
      note,
      expected,
    );
    return this.servers.get(principal, id);
  }

  @Put('plans/:id/note')
  @Requires('plan:write')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'plans_note', summary: 'Write a note on a plan; an empty one takes it away' })
  @ApiOkResponse({ standardSchema: Plan })
  @Tagged('nextRuns')
  async notePlan(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body({ schema: SetNote }) note: SetNote,
    @IfMatch() expected: Expected,
  ): Promise<Plan> {
    await this.annotations.annotate(
      principal,
      { kind: 'plan', id, shown: (transaction) => this.plans.getIn(transaction, id) },
      note,
      expected,
    );
    return this.plans.get(principal, id);
  }

  @Patch('runs/:id')
  @Requires('run:write')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'runs_annotate', summary: 'Tags and a note on a run' })
  @ApiOkResponse({ standardSchema: Run })
  @Tagged()
  async annotateRun(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body({ schema: Annotate }) change: Annotate,
    @IfMatch() expected: Expected,
  ): Promise<Run> {
    await this.annotations.annotate(
      principal,
      { kind: 'run', id, shown: (transaction) => this.runs.getIn(transaction, id) },
      change,
      expected,
    );
    return this.runs.get(principal, id);
  }

  @Patch('backups/:id')
  @Requires('backup:write')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'backups_annotate', summary: 'Tags and a note on a backup' })
  @ApiOkResponse({ standardSchema: Backup })
  @Tagged()
  async annotateBackup(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body({ schema: Annotate }) change: Annotate,
    @IfMatch() expected: Expected,
  ): Promise<Backup> {
    await this.annotations.annotate(
      principal,
      { kind: 'backup', id, shown: (transaction) => this.backups.getIn(transaction, id) },
      change,
      expected,
    );
    return this.backups.get(principal, id);
  }
}
