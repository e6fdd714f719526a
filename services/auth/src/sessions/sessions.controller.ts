import type { ServerResponse } from 'node:http';
import { Body, Controller, Delete, Headers, HttpCode, Inject, Ip, Post, Res } from '@nestjs/common';
import { ApiAcceptedResponse, ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import {
  LoginChallenge,
  LoginRequest,
  PasskeyLogin,
  PasskeyLoginOptionsRequest,
  PasskeyOptions,
  RahatError,
  RefreshRequest,
  SecondFactorLogin,
  TokenPair,
  type Principal,
} from '@rahat/contracts';
import { CONFIG, CurrentPrincipal, OpenToEnrolment, Public, Requires, WithinServerGroups } from '@rahat/service-kit';
import type { z } from 'zod';
import type { AuthConfig } from '../config.js';
import { answerLogIn } from './log-in-answer.js';
import { LogInService } from './log-in.service.js';
import { clearSessionCookie } from './session-cookie.js';
import { SessionsService } from './sessions.service.js';

@ApiTags('sessions')
@Controller('api/v2/sessions')
export class SessionsController {
  constructor(
    @Inject(SessionsService) private readonly sessions: SessionsService,
    @Inject(LogInService) private readonly logIns: LogInService,
    @Inject(CONFIG) private readonly config: AuthConfig,
  ) {}

  @Post()
  @Public()
  @ApiOperation({ operationId: 'sessions_create', summary: 'Log in; also sets the session cookie for browsers' })
  @ApiCreatedResponse({ standardSchema: TokenPair })
  @ApiAcceptedResponse({ standardSchema: LoginChallenge, description: 'A second factor is due: `sessions_prove` takes it' })
  async create(
    @Body({ schema: LoginRequest }) request: LoginRequest,
    @Ip() address: string,
    @Headers('user-agent') userAgent: string | undefined,
    @Res({ passthrough: true }) response: ServerResponse,
  ): Promise<TokenPair | LoginChallenge> {
    return answerLogIn(response, this.config, await this.logIns.byPassword(request, { address, userAgent }));
  }

  @Post('second-factor')
  @Public()
  @ApiOperation({ operationId: 'sessions_prove', summary: 'The second step of a log-in: a code of the app, a recovery code or a passkey' })
  @ApiCreatedResponse({ standardSchema: TokenPair })
  async prove(
    @Body({ schema: SecondFactorLogin }) request: SecondFactorLogin,
    @Ip() address: string,
    @Headers('user-agent') userAgent: string | undefined,
    @Res({ passthrough: true }) response: ServerResponse,
  ): Promise<TokenPair | LoginChallenge> {
    return answerLogIn(response, this.config, await this.logIns.bySecondFactor(request, { address, userAgent }));
  }

  @Post('passkey/options')
  @Public()
  @HttpCode(200)
  @ApiOperation({ operationId: 'sessions_passkey_options', summary: 'What a browser asks an authenticator for' })
  @ApiOkResponse({ standardSchema: PasskeyOptions })
  async passkeyOptions(@Body({ schema: PasskeyLoginOptionsRequest }) request: PasskeyLoginOptionsRequest): Promise<PasskeyOptions> {
    return { options: { ...(await this.logIns.passkeyOptions(request.challenge)) } };
  }

  @Post('passkey')
  @Public()
  @ApiOperation({ operationId: 'sessions_create_by_passkey', summary: 'Log in by a passkey alone, if it verified its user' })
  @ApiCreatedResponse({ standardSchema: TokenPair })
  async createByPasskey(
    @Body({ schema: PasskeyLogin }) request: PasskeyLogin,
    @Ip() address: string,
    @Headers('user-agent') userAgent: string | undefined,
    @Res({ passthrough: true }) response: ServerResponse,
  ): Promise<TokenPair | LoginChallenge> {
    return answerLogIn(response, this.config, await this.logIns.byPasskey(request.passkey, { address, userAgent }));
  }

  @Post('refresh')
  @Public()
  @HttpCode(200)
  @ApiOperation({ operationId: 'sessions_refresh', summary: 'A new pair of tokens for a refresh token, which works once' })
  @ApiOkResponse({ standardSchema: TokenPair })
  async refresh(@Body({ schema: RefreshRequest }) request: z.infer<typeof RefreshRequest>, @Ip() address: string): Promise<TokenPair> {
    if (request.refreshToken === undefined)
      throw new RahatError('unauthenticated', 'A refresh token is needed.', {
        hint: 'Browsers need none: their session cookie is enough.',
      });
    return this.sessions.refresh(request.refreshToken, address);
  }

  @Delete('current')
  @Requires()
  @WithinServerGroups()
  @OpenToEnrolment()
  @HttpCode(204)
  @ApiOperation({
    operationId: 'sessions_end',
    summary: 'Log out: ends the cookie, the access tokens and the refresh tokens of this session',
  })
  @ApiNoContentResponse()
  async end(@CurrentPrincipal() principal: Principal, @Res({ passthrough: true }) response: ServerResponse): Promise<void> {
    await this.sessions.end(principal);
    clearSessionCookie(response, this.config);
  }
}
