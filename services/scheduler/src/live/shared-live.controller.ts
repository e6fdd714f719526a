import type { ServerResponse } from 'node:http';
import { Controller, Get, Headers, Inject, Param, Query, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { LivePage, Principal } from '@rahat/contracts';
import { CurrentPrincipal, InternalOnly } from '@rahat/service-kit';
import { z } from 'zod';
import { RunEvents } from '../runs/run-events.js';
import { EventStream } from './event-stream.js';
import { OrganizationEvents } from './organization-events.js';

const After = z.object({ after: z.string().max(100).optional() });
type After = z.infer<typeof After>;

/** The same streams for a service that shares them among many readers, whose rights it knows: it asks for the server groups that they are limited to. */
@ApiExcludeController()
@Controller('internal/v1/live')
@InternalOnly()
export class SharedLiveController {
  constructor(
    @Inject(OrganizationEvents) private readonly organizationEvents: OrganizationEvents,
    @Inject(RunEvents) private readonly runEvents: RunEvents,
  ) {}

  @Get('events')
  async follow(
    @CurrentPrincipal() principal: Principal,
    @Res() response: ServerResponse,
    @Headers('last-event-id') lastEventId?: string,
  ): Promise<void> {
    await this.organizationEvents.follow(principal, lastEventId, new EventStream(response));
  }

  @Get('since')
  async since(@CurrentPrincipal() principal: Principal, @Query({ schema: After }) { after }: After): Promise<LivePage> {
    return this.organizationEvents.since(principal, after);
  }

  @Get('runs/:id/events')
  async followRun(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Res() response: ServerResponse,
    @Headers('last-event-id') lastEventId?: string,
  ): Promise<void> {
    await this.runEvents.follow(principal, id, lastEventId, new EventStream(response));
  }

  @Get('runs/:id/since')
  async sinceOfRun(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Query({ schema: After }) { after }: After,
  ): Promise<LivePage> {
    return this.runEvents.since(principal, id, after);
  }
}
