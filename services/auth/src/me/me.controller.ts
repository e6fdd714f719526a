import { Controller, Get, Inject } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Me, type Principal } from '@rahat/contracts';
import type { ServiceDatabase } from '@rahat/persistence';
import { CurrentPrincipal, DATABASE, OpenToEnrolment, Requires, WithinServerGroups } from '@rahat/service-kit';

@ApiTags('me')
@Controller('api/v2/me')
export class MeController {
  constructor(@Inject(DATABASE) private readonly database: ServiceDatabase) {}

  @Get()
  @Requires()
  @WithinServerGroups()
  @OpenToEnrolment()
  @ApiOperation({ operationId: 'me_get', summary: 'Who is asking, and what they may do' })
  @ApiOkResponse({ standardSchema: Me })
  async get(@CurrentPrincipal() principal: Principal): Promise<Me> {
    const [organization] = await this.database.inOrganization(principal.organization, (transaction) =>
      transaction.query<{ name: string }>(`SELECT name FROM organizations WHERE organization_id = $1`, [principal.organization]),
    );
    return {
      id: principal.subject,
      kind: principal.kind,
      name: principal.name,
      role: principal.role,
      scopes: principal.scopes,
      serverGroups: principal.serverGroups,
      organization: { id: principal.organization, name: organization?.name ?? principal.organization },
    };
  }
}
