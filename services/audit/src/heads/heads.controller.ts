import { Controller, Get, HttpCode, Inject, Post, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { AuditHead, AuditKeys, pageOf, PageQuery, RahatError, type Page, type Principal } from '@rahat/contracts';
import { CurrentPrincipal, Requires } from '@rahat/service-kit';
import { Heads } from './heads.js';
import { SigningKeys } from './signing-keys.js';

@ApiTags('audit')
@Controller('api/v2/audit')
export class HeadsController {
  constructor(
    @Inject(Heads) private readonly heads: Heads,
    @Inject(SigningKeys) private readonly keys: SigningKeys,
  ) {}

  @Get('heads')
  @Requires('audit:read')
  @ApiOperation({ operationId: 'audit_heads', summary: 'Signed heads of the trail, newest first' })
  @ApiOkResponse({ standardSchema: pageOf(AuditHead) })
  async list(@CurrentPrincipal() principal: Principal, @Query({ schema: PageQuery }) page: PageQuery): Promise<Page<AuditHead>> {
    return this.heads.list(principal.organization, page);
  }

  @Post('heads')
  @Requires('audit:read')
  @HttpCode(200)
  @ApiOperation({
    operationId: 'audit_sign_head',
    summary: 'Sign the trail as it stands; keep the answer elsewhere, and give it to a verification',
  })
  @ApiOkResponse({ standardSchema: AuditHead })
  async sign(@CurrentPrincipal() principal: Principal): Promise<AuditHead> {
    const head = await this.heads.signEnd(principal.organization);
    if (head === undefined) throw new RahatError('not_found', 'The audit trail has no entry yet.');
    return head;
  }

  @Get('keys')
  @Requires('audit:read')
  @ApiOperation({ operationId: 'audit_keys', summary: 'The public keys of signed heads, as a JSON web key set' })
  @ApiOkResponse({ standardSchema: AuditKeys })
  async publicKeys(): Promise<AuditKeys> {
    return (await this.keys.jwks()) as AuditKeys;
  }
}
