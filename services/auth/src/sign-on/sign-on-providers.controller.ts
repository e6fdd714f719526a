import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Patch, Post } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { CreateSignOnProvider, SignOnProvider, SignOnProviders, UpdateSignOnProvider, type Principal } from '@rahat/contracts';
import { CurrentPrincipal, Requires } from '@rahat/service-kit';
import { SignOnProvidersService } from './sign-on-providers.service.js';

@ApiTags('sign-on')
@Controller('api/v2/sign-on-providers')
@Requires('organization:write')
export class SignOnProvidersController {
  constructor(@Inject(SignOnProvidersService) private readonly providers: SignOnProvidersService) {}

  @Post()
  @ApiOperation({ operationId: 'sign_on_providers_create', summary: 'Let users in by an OpenID Connect provider; needs a fresh proof' })
  @ApiCreatedResponse({ standardSchema: SignOnProvider })
  async create(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: CreateSignOnProvider }) request: CreateSignOnProvider,
  ): Promise<SignOnProvider> {
    return this.providers.create(principal, request);
  }

  @Get()
  @ApiOperation({ operationId: 'sign_on_providers_list', summary: 'The identity providers of the organization' })
  @ApiOkResponse({ standardSchema: SignOnProviders })
  async list(@CurrentPrincipal() principal: Principal): Promise<SignOnProviders> {
    return { data: await this.providers.list(principal) };
  }

  @Patch(':id')
  @ApiOperation({ operationId: 'sign_on_providers_update', summary: 'Change an identity provider, or switch it off; needs a fresh proof' })
  @ApiOkResponse({ standardSchema: SignOnProvider })
  async update(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body({ schema: UpdateSignOnProvider }) change: UpdateSignOnProvider,
  ): Promise<SignOnProvider> {
    return this.providers.update(principal, id, change);
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ operationId: 'sign_on_providers_remove', summary: 'Remove an identity provider; its users stay; needs a fresh proof' })
  @ApiNoContentResponse()
  async remove(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<void> {
    await this.providers.remove(principal, id);
  }
}
