import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { LIMITABLE_ROLES, Role, ROLE_SCOPES, RoleList } from '@rahat/contracts';
import { Requires, WithinServerGroups } from '@rahat/service-kit';

const DESCRIPTIONS: Record<Role, string> = {
  owner: 'Everything, and who else is an owner',
  admin: 'Everything but what concerns owners, and making further organizations',
  operator: 'Sees all, runs backups and restores',
  viewer: 'Sees all, changes nothing',
  auditor: 'Sees all, the people and the trail included; changes nothing',
};

@ApiTags('roles')
@Controller('api/v2/roles')
export class RolesController {
  @Get()
  @Requires('organization:read')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'roles_list', summary: 'The roles, and what each may do' })
  @ApiOkResponse({ standardSchema: RoleList })
  async list(): Promise<RoleList> {
    return {
      data: Role.options.map((role) => ({
        role,
        description: DESCRIPTIONS[role],
        scopes: [...ROLE_SCOPES[role]],
        limitable: LIMITABLE_ROLES.includes(role),
      })),
    };
  }
}
