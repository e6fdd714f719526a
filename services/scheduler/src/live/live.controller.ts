import type { ServerResponse } from 'node:http';
import { Controller, Get, Headers, Inject, Res } from '@nestjs/common';
import { ApiHeader, ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import { LiveEvent, type Principal } from '@rahat/contracts';
import { CurrentPrincipal, Requires, WithinServerGroups } from '@rahat/service-kit';
import { EventStream } from './event-stream.js';
import { OrganizationEvents } from './organization-events.js';

@ApiTags('events')
@Controller('api/v2/events')
export class LiveController {
  constructor(@Inject(OrganizationEvents) private readonly events: OrganizationEvents) {}

  @Get()
  @Requires('run:read', 'backup:read')
  @WithinServerGroups()
  @ApiOperation({
    operationId: 'events_follow',
    summary:
      'What happens in the organization, as server-sent events: run, backup.recorded, backup.proven, progress. After reset a reader has missed something and looks anew',
    description:
      'The same by socket.io at /api/v2/live (transport websocket, credential in auth.token): send follow with { run?, lastEventId? } and hear each as event { type, data, id?, run? }.',
  })
  @ApiHeader({ name: 'last-event-id', required: false, description: 'Id of the last event that was read: what came since comes first' })
  @ApiProduces('text/event-stream')
  @ApiOkResponse({ standardSchema: LiveEvent, description: 'Events without an end' })
  async follow(
    @CurrentPrincipal() principal: Principal,
    @Res() response: ServerResponse,
    @Headers('last-event-id') lastEventId?: string,
  ): Promise<void> {
    await this.events.follow(principal, lastEventId, new EventStream(response));
  }
}
