import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Patch, Post } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { CreatedPasskey, CreatePasskey, Passkey, PasskeyOptions, Passkeys, RenamePasskey, type Principal } from '@rahat/contracts';
import { CurrentPrincipal, OpenToEnrolment, Requires, WithinServerGroups } from '@rahat/service-kit';
import { PasskeysService } from './passkeys.service.js';

@ApiTags('second factors')
@Controller('api/v2/me/passkeys')
@Requires()
@WithinServerGroups()
@OpenToEnrolment()
export class PasskeysController {
  constructor(@Inject(PasskeysService) private readonly passkeys: PasskeysService) {}

  @Post('options')
  @HttpCode(200)
  @ApiOperation({
    operationId: 'passkeys_options',
    summary: 'What a browser asks an authenticator for, to make a passkey; needs a fresh proof',
  })
  @ApiOkResponse({ standardSchema: PasskeyOptions })
  async options(@CurrentPrincipal() principal: Principal): Promise<PasskeyOptions> {
    return { options: { ...(await this.passkeys.options(principal)) } };
  }

  @Post()
  @ApiOperation({ operationId: 'passkeys_create', summary: 'Keep the passkey that was made; gives recovery codes with the first factor' })
  @ApiCreatedResponse({ standardSchema: CreatedPasskey })
  async create(@CurrentPrincipal() principal: Principal, @Body({ schema: CreatePasskey }) request: CreatePasskey): Promise<CreatedPasskey> {
    return this.passkeys.create(principal, request);
  }

  @Get()
  @ApiOperation({ operationId: 'passkeys_list', summary: 'Your passkeys' })
  @ApiOkResponse({ standardSchema: Passkeys })
  async list(@CurrentPrincipal() principal: Principal): Promise<Passkeys> {
    return { data: await this.passkeys.list(principal) };
  }

  @Patch(':id')
  @ApiOperation({ operationId: 'passkeys_rename', summary: 'Give a passkey another name' })
  @ApiOkResponse({ standardSchema: Passkey })
  async rename(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body({ schema: RenamePasskey }) request: RenamePasskey,
  ): Promise<Passkey> {
    return this.passkeys.rename(principal, id, request.name);
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ operationId: 'passkeys_remove', summary: 'Remove a passkey; needs a fresh proof' })
  @ApiNoContentResponse()
  async remove(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<void> {
    await this.passkeys.remove(principal, id);
  }
}
