import { Controller, Get, Inject } from '@nestjs/common';
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
  async get(@CurrentPrincipal() principal: Principal): Promise<Status> {
    return this.statusService.status(principal);
  }
}
