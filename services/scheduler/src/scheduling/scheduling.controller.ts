import { Body, Controller, Get, Inject, Put } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Scheduling, type Principal } from '@rahat/contracts';
import { CurrentPrincipal, IfMatch, Requires, Tagged, type Expected } from '@rahat/service-kit';
import { SchedulingService } from './scheduling.service.js';

@ApiTags('plans')
@Controller('api/v2/scheduling')
export class SchedulingController {
  constructor(@Inject(SchedulingService) private readonly scheduling: SchedulingService) {}

  @Get()
  @Requires('plan:read')
  @ApiOperation({ operationId: 'scheduling_get', summary: "The organization's blackout windows and limits of runs at once" })
  @ApiOkResponse({ standardSchema: Scheduling })
  @Tagged()
  async get(@CurrentPrincipal() principal: Principal): Promise<Scheduling> {
    return this.scheduling.get(principal);
  }

  @Put()
  @Requires('plan:write')
  @ApiOperation({ operationId: 'scheduling_put', summary: "Set the organization's blackout windows and limits of runs at once" })
  @ApiOkResponse({ standardSchema: Scheduling })
  @Tagged()
  async put(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: Scheduling }) request: Scheduling,
    @IfMatch() expected: Expected,
  ): Promise<Scheduling> {
    return this.scheduling.put(principal, request, expected);
  }
}
