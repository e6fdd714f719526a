import type { ServerResponse } from 'node:http';
import { Controller, Get, Inject, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Status, type Principal } from '@rahat/contracts';
import { CurrentPrincipal, Requires, WithinServerGroups } from '@rahat/service-kit';
import { StatusService } from './status.service.js';

@ApiTags('status')
@Controller('api/v2/status')
export class StatusController {
  constructor(@Inject(StatusService) private readonly statusService: StatusService) {}

  @Get()
  @Requires('backup:read')
  @WithinServerGroups()
  @ApiOperation({
    operationId: 'status_get',
    summary: 'Can everything be restored? One line per database, computed from what is restorable now',
  })
  @ApiOkResponse({ standardSchema: Status })
  async get(@CurrentPrincipal() principal: Principal, @Res() response: ServerResponse): Promise<void> {
    const body = Buffer.from(await this.statusService.status(principal));
    // Not by `json`: it would be read and written again, and be hashed for an ETag that no two answers share.
    response.setHeader('Content-Type', 'application/json; charset=utf-8').setHeader('Content-Length', body.length).end(body);
  }
}
