import { Body, Controller, HttpCode, Inject, Post, Res } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Run, StartComparison, type Principal } from '@rahat/contracts';
import { CurrentPrincipal, Requires, WithinServerGroups } from '@rahat/service-kit';
import { announceRun, type LocationResponse } from '../runs/location.js';
import { ComparisonsService } from './comparisons.service.js';

@ApiTags('comparisons')
@Controller('api/v2/comparisons')
export class ComparisonsController {
  constructor(@Inject(ComparisonsService) private readonly comparisons: ComparisonsService) {}

  @Post()
  @Requires('backup:write')
  @WithinServerGroups()
  @HttpCode(202)
  @ApiOperation({
    operationId: 'comparisons_start',
    summary: 'Compare a backup with another one, or with its database as it is; the report is the evidence of the run',
  })
  @ApiAcceptedResponse({ standardSchema: Run })
  async start(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: StartComparison }) request: StartComparison,
    @Res({ passthrough: true }) response: LocationResponse,
  ): Promise<Run> {
    return announceRun(response, await this.comparisons.start(principal, request));
  }
}
