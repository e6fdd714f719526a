import type { ServerResponse } from 'node:http';
import { Body, Controller, Delete, Get, HttpCode, Inject, Post, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import {
  ConfirmedTotp,
  ConfirmTotp,
  FreshProof,
  PasskeyOptions,
  RahatError,
  RecoveryCodes,
  SecondFactorState,
  TotpEnrolment,
  type Principal,
} from '@rahat/contracts';
import { CurrentPrincipal, OpenToEnrolment, Requires, WithinServerGroups } from '@rahat/service-kit';
import { TwoFactorService } from './two-factor.service.js';

@ApiTags('second factors')
@Controller('api/v2/me')
@Requires()
@WithinServerGroups()
@OpenToEnrolment()
export class TwoFactorController {
  constructor(@Inject(TwoFactorService) private readonly twoFactor: TwoFactorService) {}

  @Get('second-factors')
  @ApiOperation({ operationId: 'second_factors_get', summary: 'Your second factors, and whether your organization requires one' })
  @ApiOkResponse({ standardSchema: SecondFactorState })
  async state(@CurrentPrincipal() principal: Principal): Promise<SecondFactorState> {
    return this.twoFactor.state(principal);
  }

  @Post('second-factors/totp')
  @ApiOperation({
    operationId: 'totp_enrol',
    summary: 'A secret for an authenticator app, shown this once; it counts when a code confirmed it',
  })
  @ApiCreatedResponse({ standardSchema: TotpEnrolment })
  async enrolTotp(@CurrentPrincipal() principal: Principal): Promise<TotpEnrolment> {
    return this.twoFactor.enrolTotp(principal);
  }

  @Post('second-factors/totp/confirm')
  @HttpCode(200)
  @ApiOperation({ operationId: 'totp_confirm', summary: 'Confirm the app by a code; gives recovery codes with the first factor' })
  @ApiOkResponse({ standardSchema: ConfirmedTotp })
  async confirmTotp(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: ConfirmTotp }) request: ConfirmTotp,
    @Res({ passthrough: true }) response: ServerResponse,
  ): Promise<ConfirmedTotp> {
    const result = await this.twoFactor.confirmTotp(principal, request.code);
    switch (result.outcome) {
      case 'confirmed':
        return result.answer;
      case 'wait':
        throw waiting(response, result.seconds);
      case 'refused':
        throw new RahatError('invalid_input', 'This code is not of the app that is being added.', {
          hint: 'Begin again if the app has lost it, and look at the clock of its device.',
        });
    }
  }

  @Delete('second-factors/totp')
  @HttpCode(204)
  @ApiOperation({ operationId: 'totp_remove', summary: 'Remove the authenticator app; needs a fresh proof' })
  @ApiNoContentResponse()
  async removeTotp(@CurrentPrincipal() principal: Principal): Promise<void> {
    await this.twoFactor.removeTotp(principal);
  }

  @Post('second-factors/recovery-codes')
  @ApiOperation({ operationId: 'recovery_codes_renew', summary: 'New recovery codes, shown this once; the ones before stop working' })
  @ApiCreatedResponse({ standardSchema: RecoveryCodes })
  async renewRecoveryCodes(@CurrentPrincipal() principal: Principal): Promise<RecoveryCodes> {
    return { recoveryCodes: await this.twoFactor.renewRecoveryCodes(principal) };
  }

  @Post('proof/passkey-options')
  @HttpCode(200)
  @ApiOperation({
    operationId: 'me_prove_passkey_options',
    summary: 'What a browser asks an authenticator for, to prove again who you are',
  })
  @ApiOkResponse({ standardSchema: PasskeyOptions })
  async passkeyOptions(@CurrentPrincipal() principal: Principal): Promise<PasskeyOptions> {
    return { options: { ...(await this.twoFactor.passkeyOptions(principal)) } };
  }

  @Post('proof')
  @HttpCode(204)
  @ApiOperation({ operationId: 'me_prove', summary: 'Prove again who you are: opens for ten minutes what needs a fresh proof' })
  @ApiNoContentResponse()
  async prove(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: FreshProof }) request: FreshProof,
    @Res({ passthrough: true }) response: ServerResponse,
  ): Promise<void> {
    const result = await this.twoFactor.proveAgain(principal, request);
    if (result.outcome === 'wait') throw waiting(response, result.seconds);
    if (result.outcome === 'refused')
      throw new RahatError('second_factor_refused', 'This does not prove who you are.', {
        hint: 'Who has a second factor shows that; the password is enough for nobody else.',
      });
  }
}

function waiting(response: ServerResponse, seconds: number): RahatError {
  response.setHeader('retry-after', seconds);
  return new RahatError('rate_limited', `Too many failed tries. Try again in ${seconds} s.`);
}
