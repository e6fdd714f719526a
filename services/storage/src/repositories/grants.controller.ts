import { Body, Controller, HttpCode, Inject, Param, Post } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { RahatError, RepositoryGrantRequest, type Principal, type RepositoryGrant } from '@rahat/contracts';
import { CurrentPrincipal, InternalOnly } from '@rahat/service-kit';
import type { z } from 'zod';
import { RepositoriesService } from './repositories.service.js';

@ApiExcludeController()
@Controller('internal/v1/repositories')
export class GrantsController {
  constructor(@Inject(RepositoriesService) private readonly repositories: RepositoriesService) {}

  @Post(':id/grant')
  @InternalOnly()
  @HttpCode(200)
  async grant(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body({ schema: RepositoryGrantRequest }) request: z.infer<typeof RepositoryGrantRequest>,
  ): Promise<z.infer<typeof RepositoryGrant>> {
    if (request.repository !== id) throw new RahatError('invalid_input', 'Path and body name different repositories.');
    return this.repositories.grant(principal, id, request.power);
  }
}
