import { Controller, Get, Inject, Param } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ServerWindows, type Principal } from '@rahat/contracts';
import { CurrentPrincipal, Requires, WithinServerGroups } from '@rahat/service-kit';
import { WindowsService } from './windows.service.js';

@ApiTags('servers')
@Controller('api/v2/servers')
export class WindowsController {
  constructor(@Inject(WindowsService) private readonly windows: WindowsService) {}

  @Get(':id/windows')
  @Requires('backup:read')
  @WithinServerGroups()
  @ApiOperation({
    operationId: 'servers_windows',
    summary: 'Which moments of a server can be recovered: windows, gaps with their reasons, timelines, and the streams that keep the log',
  })
  @ApiOkResponse({ standardSchema: ServerWindows })
  async get(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<ServerWindows> {
    return this.windows.windows(principal, id);
  }
}
