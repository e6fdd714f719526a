import { Body, Controller, HttpCode, Inject, Post, Res } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { RebuildCatalog, StartedRuns, type Principal, type Run } from '@rahat/contracts';
import { CurrentPrincipal, Requires } from '@rahat/service-kit';
import { announceRuns, type LocationResponse } from '../runs/location.js';
import { RebuildService } from './rebuild.service.js';

@ApiTags('catalog')
@Controller('api/v2/catalog')
export class RebuildController {
  constructor(@Inject(RebuildService) private readonly rebuilds: RebuildService) {}

  @Post('rebuild')
  @Requires('storage:write')
  @HttpCode(202)
  @ApiOperation({
    operationId: 'catalog_rebuild',
    summary: 'Record what the repositories hold and the catalog does not know; removes nothing',
  })
  @ApiAcceptedResponse({ standardSchema: StartedRuns })
  async rebuild(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: RebuildCatalog }) request: RebuildCatalog,
    @Res({ passthrough: true }) response: LocationResponse,
  ): Promise<{ runs: Run[] }> {
    return announceRuns(response, await this.rebuilds.start(principal, request));
  }
}
