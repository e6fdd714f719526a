import { Controller, Get, Inject, Param, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import {
  AuditEntry,
  AuditEntryPlace,
  AuditQuery,
  AuditVerification,
  pageOf,
  VerifyAudit,
  type Page,
  type Principal,
} from '@rahat/contracts';
import { CurrentPrincipal, Requires } from '@rahat/service-kit';
import { TrailSearch } from '../search/trail-search.js';
import { Verification } from '../verification/verification.js';

@ApiTags('audit')
@Controller('api/v2/audit')
export class AuditController {
  constructor(
    @Inject(TrailSearch) private readonly search: TrailSearch,
    @Inject(Verification) private readonly verification: Verification,
  ) {}

  @Get()
  @Requires('audit:read')
  @ApiOperation({
    operationId: 'audit_list',
    summary: 'Who did what, newest first; by actor, action, target, address, request, time and words',
  })
  @ApiOkResponse({ standardSchema: pageOf(AuditEntry) })
  async list(@CurrentPrincipal() principal: Principal, @Query({ schema: AuditQuery }) query: AuditQuery): Promise<Page<AuditEntry>> {
    return this.search.list(principal.organization, query);
  }

  @Get('entries/:sequence')
  @Requires('audit:read')
  @ApiOperation({ operationId: 'audit_get', summary: 'One entry by its number' })
  @ApiOkResponse({ standardSchema: AuditEntry })
  async get(@CurrentPrincipal() principal: Principal, @Param({ schema: AuditEntryPlace }) place: AuditEntryPlace): Promise<AuditEntry> {
    return this.search.get(principal.organization, place.sequence);
  }

  @Get('verify')
  @Requires('audit:read')
  @ApiOperation({
    operationId: 'audit_verify',
    summary:
      'Recompute the hash chain, hold it against the signed heads, and name the first fault; with a head noted elsewhere also a cut-off end',
  })
  @ApiOkResponse({ standardSchema: AuditVerification })
  async verify(
    @CurrentPrincipal() principal: Principal,
    @Query({ schema: VerifyAudit }) { head }: VerifyAudit,
  ): Promise<AuditVerification> {
    return this.verification.verify(principal.organization, head === undefined ? [] : [head]);
  }
}
