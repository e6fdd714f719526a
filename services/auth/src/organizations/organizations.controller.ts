import { Body, Controller, Get, Inject, Patch, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import {
  CreateOrganization,
  Organization,
  OwnOrganization,
  pageOf,
  PageQuery,
  UpdateOrganization,
  type Page,
  type Principal,
} from '@rahat/contracts';
import { CurrentPrincipal, IfMatch, Requires, Tagged, WithinServerGroups, type Expected } from '@rahat/service-kit';
import { OrganizationsService } from './organizations.service.js';

@ApiTags('organizations')
@Controller('api/v2')
export class OrganizationsController {
  constructor(@Inject(OrganizationsService) private readonly organizations: OrganizationsService) {}

  @Get('organization')
  @Requires('organization:read')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'organization_get', summary: 'The organization that the caller acts in' })
  @ApiOkResponse({ standardSchema: Organization })
  @Tagged('members')
  async get(@CurrentPrincipal() principal: Principal): Promise<Organization> {
    return this.organizations.current(principal);
  }

  @Patch('organization')
  @Requires('organization:write')
  @ApiOperation({ operationId: 'organization_update', summary: 'Rename the organization' })
  @ApiOkResponse({ standardSchema: Organization })
  @Tagged('members')
  async update(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: UpdateOrganization }) request: UpdateOrganization,
    @IfMatch() expected: Expected,
  ): Promise<Organization> {
    return this.organizations.rename(principal, request.name, expected);
  }

  @Get('organizations')
  @Requires()
  @WithinServerGroups()
  @ApiOperation({ operationId: 'organizations_list', summary: 'The organizations that the caller belongs to' })
  @ApiOkResponse({ standardSchema: pageOf(OwnOrganization) })
  async list(@CurrentPrincipal() principal: Principal, @Query({ schema: PageQuery }) page: PageQuery): Promise<Page<OwnOrganization>> {
    return this.organizations.list(principal, page);
  }

  @Post('organizations')
  @Requires('organization:create')
  @ApiOperation({ operationId: 'organizations_create', summary: 'Make a further organization and own it; only an owner of one can' })
  @ApiCreatedResponse({ standardSchema: Organization })
  async create(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: CreateOrganization }) request: CreateOrganization,
  ): Promise<Organization> {
    return this.organizations.create(principal, request.name);
  }
}
