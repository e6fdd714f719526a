import { Controller, Delete, HttpCode, Inject, Param } from '@nestjs/common';
import { ApiNoContentResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Principal } from '@rahat/contracts';
import { CurrentPrincipal, Requires, WithinServerGroups } from '@rahat/service-kit';
import { LostFactors } from './lost-factors.js';

@ApiTags('users')
@Controller('api/v2/users/:id/second-factors')
export class LostFactorsController {
  constructor(@Inject(LostFactors) private readonly lost: LostFactors) {}

  @Delete()
  @Requires('user:write')
  @WithinServerGroups()
  @HttpCode(204)
  @ApiOperation({
    operationId: 'users_second_factors_remove',
    summary: 'Take all second factors from a member who lost them; ends their sessions; needs a fresh proof',
  })
  @ApiNoContentResponse()
  async remove(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<void> {
    await this.lost.removeOfMember(principal, id);
  }
}
