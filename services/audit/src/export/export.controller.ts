import { Readable } from 'node:stream';
import { Controller, Get, Inject, Query, StreamableFile } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import { ExportAudit, type Principal } from '@rahat/contracts';
import { CurrentPrincipal, Requires } from '@rahat/service-kit';
import { Export } from './export.js';

const TYPES = { jsonl: 'application/x-ndjson; charset=utf-8', csv: 'text/csv; charset=utf-8' };

@ApiTags('audit')
@Controller('api/v2/audit')
export class ExportController {
  constructor(@Inject(Export) private readonly exports: Export) {}

  @Get('export')
  @Requires('audit:read')
  @ApiOperation({
    operationId: 'audit_export',
    summary: 'The trail with its signed heads as JSON lines, which can be verified offline, or as CSV; that it was exported is recorded',
  })
  @ApiProduces('application/x-ndjson', 'text/csv')
  @ApiOkResponse({ schema: { type: 'string' }, description: 'One line for each entry' })
  async open(@CurrentPrincipal() principal: Principal, @Query({ schema: ExportAudit }) query: ExportAudit): Promise<StreamableFile> {
    const lines = await this.exports.open(principal, query);
    return new StreamableFile(Readable.from(lines, { objectMode: false, highWaterMark: 64 * 1024 }), {
      type: TYPES[query.format],
      disposition: `attachment; filename="audit-trail.${query.format}"`,
    });
  }
}
