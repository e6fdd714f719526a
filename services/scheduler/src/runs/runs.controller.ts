import type { ServerResponse } from 'node:http';
import { Controller, Get, Headers, HttpCode, Inject, Param, Post, Query, Res } from '@nestjs/common';
import { ApiAcceptedResponse, ApiHeader, ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import { pageOf, PageQuery, Run, RunLog, RunQuery, RunStreamEvent, type Page, type Principal } from '@rahat/contracts';
import { CurrentPrincipal, Requires, Tagged, WithinServerGroups } from '@rahat/service-kit';
import { EventStream } from '../live/event-stream.js';
import { RunEvents } from './run-events.js';
import { RunPauses } from './run-pauses.js';
import { RunsService } from './runs.service.js';

@ApiTags('runs')
@Controller('api/v2/runs')
export class RunsController {
  constructor(
    @Inject(RunsService) private readonly runs: RunsService,
    @Inject(RunEvents) private readonly runEvents: RunEvents,
    @Inject(RunPauses) private readonly pauses: RunPauses,
  ) {}

  @Get()
  @Requires('run:read')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'runs_list', summary: 'The runs, newest first; expected ones with state=expected' })
  @ApiOkResponse({ standardSchema: pageOf(Run) })
  async list(@CurrentPrincipal() principal: Principal, @Query({ schema: RunQuery }) query: RunQuery): Promise<Page<Run>> {
    return this.runs.list(principal, query);
  }

  @Get(':id')
  @Requires('run:read')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'runs_get', summary: 'One run, with its evidence and the reasons of its state' })
  @ApiOkResponse({ standardSchema: Run })
  @Tagged()
  async get(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<Run> {
    return this.runs.get(principal, id);
  }

  @Get(':id/log')
  @Requires('run:read')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'runs_log', summary: 'What the worker logged, oldest first' })
  @ApiOkResponse({ standardSchema: RunLog })
  async log(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Query({ schema: PageQuery }) query: PageQuery,
  ): Promise<RunLog> {
    return this.runs.log(principal, id, query);
  }

  @Get(':id/events')
  @Requires('run:read')
  @WithinServerGroups()
  @ApiOperation({
    operationId: 'runs_events',
    summary: 'The run as server-sent events until it is over: run at each change, log for each line, progress',
  })
  @ApiHeader({ name: 'last-event-id', required: false, description: 'Id of the last event that was read: the lines since come first' })
  @ApiProduces('text/event-stream')
  @ApiOkResponse({ standardSchema: RunStreamEvent, description: 'Events until the run is over' })
  async events(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Res() response: ServerResponse,
    @Headers('last-event-id') lastEventId?: string,
  ): Promise<void> {
    await this.runEvents.follow(principal, id, lastEventId, new EventStream(response));
  }

  @Post(':id/pause')
  @Requires('run:write')
  @WithinServerGroups()
  @ApiOperation({
    operationId: 'runs_pause',
    summary: 'Hold a run up: a waiting one until it is resumed, a running one for a bounded time',
  })
  @ApiAcceptedResponse({ standardSchema: Run })
  @HttpCode(202)
  async pause(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<Run> {
    return this.pauses.pause(principal, id);
  }

  @Post(':id/resume')
  @Requires('run:write')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'runs_resume', summary: 'Let a paused run go on' })
  @ApiAcceptedResponse({ standardSchema: Run })
  @HttpCode(202)
  async resume(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<Run> {
    return this.pauses.resume(principal, id);
  }

  @Post(':id/cancel')
  @Requires('run:write')
  @WithinServerGroups()
  @HttpCode(202)
  @ApiOperation({ operationId: 'runs_cancel', summary: 'Cancel a run that is waiting or running' })
  @ApiAcceptedResponse({ standardSchema: Run })
  async cancel(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<Run> {
    return this.runs.cancel(principal, id);
  }
}
