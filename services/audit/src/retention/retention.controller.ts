import { Body, Controller, Get, Inject, Put } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { AuditRetention, type Principal } from '@rahat/contracts';
import { CurrentPrincipal, IfMatch, Requires, Tagged, type Expected } from '@rahat/service-kit';
import { Retention } from './retention.js';

@ApiTags('audit')
@Controller('api/v2/audit/retention')
export class RetentionController {
  constructor(@Inject(Retention) private readonly retention: Retention) {}

  @Get()
  @Requires('audit:read')
  @ApiOperation({ operationId: 'audit_retention_get', summary: 'How long the trail is kept' })
  @ApiOkResponse({ standardSchema: AuditRetention })
  @Tagged()
  async get(@CurrentPrincipal() principal: Principal): Promise<AuditRetention> {
    return this.retention.get(principal.organization);
  }

  @Put()
  @Requires('audit:write')
  @ApiOperation({
    operationId: 'audit_retention_set',
    summary: 'Keep the trail for ever, or for 90 days and more; a signed mark takes the place of what is dropped',
  })
  @ApiOkResponse({ standardSchema: AuditRetention })
  @Tagged()
  async set(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: AuditRetention }) policy: AuditRetention,
    @IfMatch() expected: Expected,
  ): Promise<AuditRetention> {
    return this.retention.set(principal, policy, expected);
  }
}
