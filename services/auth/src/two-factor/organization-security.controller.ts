import { Body, Controller, Get, Inject, Patch } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { OrganizationSecurity, UpdateOrganizationSecurity, type Principal } from '@rahat/contracts';
import { CurrentPrincipal, IfMatch, Requires, Tagged, WithinServerGroups, type Expected } from '@rahat/service-kit';
import { OrganizationSecurityService } from './organization-security.service.js';

@ApiTags('organization')
@Controller('api/v2/organization/security')
export class OrganizationSecurityController {
  constructor(@Inject(OrganizationSecurityService) private readonly security: OrganizationSecurityService) {}

  @Get()
  @Requires('organization:read')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'organization_security_get', summary: 'What the organization asks of a log-in' })
  @ApiOkResponse({ standardSchema: OrganizationSecurity })
  @Tagged()
  async get(@CurrentPrincipal() principal: Principal): Promise<OrganizationSecurity> {
    return this.security.get(principal);
  }

  @Patch()
  @Requires('organization:write')
  @ApiOperation({
    operationId: 'organization_security_update',
    summary: 'Require a second factor of everybody: who has none can only add one until then; needs a fresh proof',
  })
  @ApiOkResponse({ standardSchema: OrganizationSecurity })
  @Tagged()
  async update(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: UpdateOrganizationSecurity }) request: UpdateOrganizationSecurity,
    @IfMatch() expected: Expected,
  ): Promise<OrganizationSecurity> {
    return this.security.update(principal, request, expected);
  }
}
