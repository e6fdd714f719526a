import type { ServerResponse } from 'node:http';
import { Body, Controller, Delete, Headers, HttpCode, Inject, Ip, Post, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { LoginRequest, RahatError, RefreshRequest, TokenPair, type Principal } from '@rahat/contracts';
import { CONFIG, CurrentPrincipal, Public, Requires } from '@rahat/service-kit';
import type { z } from 'zod';
import type { AuthConfig } from '../config.js';
import { clearSessionCookie, setSessionCookie } from './session-cookie.js';
import { SessionsService } from './sessions.service.js';

@ApiTags('sessions')
@Controller('api/v2/sessions')
export class SessionsController {
  constructor(
    @Inject(SessionsService) private readonly sessions: SessionsService,
    @Inject(CONFIG) private readonly config: AuthConfig,
  ) {}

  @Post()
  @Public()
  @ApiOperation({ operationId: 'sessions_create', summary: 'Log in; also sets the session cookie for browsers' })
  @ApiCreatedResponse({ standardSchema: TokenPair })
  async create(
    @Body({ schema: LoginRequest }) request: LoginRequest,
    @Ip() address: string,
    @Headers('user-agent') userAgent: string | undefined,
    @Res({ passthrough: true }) response: ServerResponse,
  ): Promise<TokenPair> {
    const result = await this.sessions.logIn(request, address, userAgent);
    switch (result.outcome) {
      case 'wait':
        response.setHeader('retry-after', result.seconds);
        throw new RahatError('rate_limited', `Too many failed log-ins. Try again in ${result.seconds} s.`);
      case 'refused':
        throw new RahatError('unauthenticated', 'The e-mail or the password is wrong.', {
          hint: 'Check both; after several failures each try has to wait.',
        });
      case 'started':
        setSessionCookie(response, this.config, result.started.cookie);
        return result.started.tokens;
    }
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
