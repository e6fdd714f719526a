import { Controller, Get, Inject, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { AuditEntry, AuditVerification, pageOf, PageQuery, VerifyAudit, type Page, type Principal } from '@rahat/contracts';
import { CurrentPrincipal, Requires } from '@rahat/service-kit';
import { TrailService } from './trail.service.js';

@ApiTags('audit')
@Controller('api/v2/audit')
export class AuditController {
  constructor(@Inject(TrailService) private readonly trail: TrailService) {}

  @Get()
  @Requires('audit:read')
  @ApiOperation({ operationId: 'audit_list', summary: 'Who did what, newest first' })
  @ApiOkResponse({ standardSchema: pageOf(AuditEntry) })
  async list(@CurrentPrincipal() principal: Principal, @Query({ schema: PageQuery }) page: PageQuery): Promise<Page<AuditEntry>> {
    return this.trail.list(principal.organization, page);
  }

  @Get('verify')
  @Requires('audit:read')
  @ApiOperation({
    operationId: 'audit_verify',
    summary: 'Recompute the hash chain of the trail and name its first broken link; with the head of an earlier answer also a cut-off end',
  })
  @ApiOkResponse({ standardSchema: AuditVerification })
  async verify(@CurrentPrincipal() principal: Principal, @Query({ schema: VerifyAudit }) query: VerifyAudit): Promise<AuditVerification> {
    return this.trail.verify(principal.organization, query.head);
  }
}
