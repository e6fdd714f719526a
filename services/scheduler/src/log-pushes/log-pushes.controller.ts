import type { IncomingMessage, ServerResponse } from 'node:http';
import { Controller, HttpCode, Inject, Param, Put, Req, Res } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiCreatedResponse, ApiNoContentResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Public } from '@rahat/service-kit';
import { LogPushes } from './log-pushes.js';

@ApiTags('log pushes')
@Controller('api/v2/log-pushes')
export class LogPushesController {
  constructor(@Inject(LogPushes) private readonly pushes: LogPushes) {}

  @Put(':file')
  // The token is none of the front door's: it is good for this alone.
  @Public()
  @HttpCode(204)
  @ApiOperation({
    operationId: 'log_pushes_put',
    summary: "A file of PostgreSQL's log, from archive_command, with a push token as bearer; answered when it is durable",
  })
  @ApiConsumes('application/octet-stream')
  @ApiBody({ schema: { type: 'string', format: 'binary' } })
  @ApiCreatedResponse({ description: 'It is stored' })
  @ApiNoContentResponse({ description: 'The very same is stored already, or is not needed' })
  async put(
    @Param('file') file: string,
    @Req() request: IncomingMessage,
    @Res({ passthrough: true }) response: ServerResponse,
  ): Promise<void> {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const pushed = await this.pushes.take(request.headers.authorization, { file, body: request, gone: gone.signal });
    response.statusCode = pushed === 'stored' ? 201 : 204;
  }
}
