import { Body, Controller, Get, Headers, HttpCode, Inject, Ip, Param, Post } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import {
  BeginDeviceLogin,
  DeviceLogin,
  DeviceLoginRequest,
  ERROR_CATALOGUE,
  RahatError,
  TakeDeviceTokens,
  TokenPair,
  UserCode,
  type Principal,
} from '@rahat/contracts';
import { CurrentPrincipal, Public, Requires, WithinServerGroups } from '@rahat/service-kit';
import { DeviceLoginService } from './device-login.service.js';

@ApiTags('device log-ins')
@Controller('api/v2/device-logins')
export class DeviceLoginsController {
  constructor(@Inject(DeviceLoginService) private readonly devices: DeviceLoginService) {}

  @Post()
  @Public()
  @ApiOperation({ operationId: 'device_logins_begin', summary: 'A device without a browser asks to be let in (RFC 8628)' })
  @ApiCreatedResponse({ standardSchema: DeviceLogin })
  async begin(@Body({ schema: BeginDeviceLogin }) request: BeginDeviceLogin, @Ip() address: string): Promise<DeviceLogin> {
    return this.devices.begin(request, address);
  }

  @Post('token')
  @Public()
  @HttpCode(200)
  @ApiOperation({
    operationId: 'device_logins_token',
    summary: 'Asked by the device until somebody decided: authorization_pending, slow_down, or its tokens, once',
  })
  @ApiOkResponse({ standardSchema: TokenPair })
  async token(
    @Body({ schema: TakeDeviceTokens }) request: TakeDeviceTokens,
    @Ip() address: string,
    @Headers('user-agent') userAgent: string | undefined,
  ): Promise<TokenPair> {
    const result = await this.devices.take(request.deviceCode, { address, userAgent });
    if (result.outcome === 'taken') return result.tokens;
    throw new RahatError(result.outcome, `${ERROR_CATALOGUE[result.outcome].title}.`);
  }

  @Get(':userCode')
  @Requires()
  @WithinServerGroups()
  @ApiOperation({ operationId: 'device_logins_get', summary: 'Who asks with this code, from which address, since when' })
  @ApiOkResponse({ standardSchema: DeviceLoginRequest })
  async get(@CurrentPrincipal() principal: Principal, @Param('userCode') userCode: string): Promise<DeviceLoginRequest> {
    return this.devices.look(principal, userCode);
  }

  @Post('approve')
  @Requires()
  @WithinServerGroups()
  @HttpCode(204)
  @ApiOperation({ operationId: 'device_logins_approve', summary: 'Let the device in, as yourself' })
  @ApiNoContentResponse()
  async approve(@CurrentPrincipal() principal: Principal, @Body({ schema: UserCode }) request: UserCode): Promise<void> {
    await this.devices.decide(principal, request.userCode, 'approved');
  }

  @Post('deny')
  @Requires()
  @WithinServerGroups()
  @HttpCode(204)
  @ApiOperation({ operationId: 'device_logins_deny', summary: 'Keep the device out' })
  @ApiNoContentResponse()
  async deny(@CurrentPrincipal() principal: Principal, @Body({ schema: UserCode }) request: UserCode): Promise<void> {
    await this.devices.decide(principal, request.userCode, 'denied');
  }
}
