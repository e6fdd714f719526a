import type { IncomingMessage, ServerResponse } from 'node:http';
import { Controller, Get, HttpCode, Inject, Ip, Param, Req, Res } from '@nestjs/common';
import { ApiFoundResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { CONFIG, Public } from '@rahat/service-kit';
import type { AuthConfig } from '../config.js';
import { refusalOf } from '../sessions/log-in-answer.js';
import { setSessionCookie } from '../sessions/session-cookie.js';
import { clearSignOnCookie, setSignOnCookie, signOnCookieOf } from './sign-on-cookie.js';
import { SignOnService } from './sign-on.service.js';

/** A browser walks through these by itself, so they answer with redirects. */
@ApiTags('sign-on')
@Controller('api/v2/sign-on')
@Public()
export class SignOnController {
  constructor(
    @Inject(SignOnService) private readonly signOn: SignOnService,
    @Inject(CONFIG) private readonly config: AuthConfig,
  ) {}

  @Get(':provider/start')
  @HttpCode(302)
  @ApiOperation({ operationId: 'sign_on_start', summary: 'Sends the browser to the identity provider' })
  @ApiFoundResponse({ description: 'To the identity provider' })
  async start(@Param('provider') provider: string, @Res({ passthrough: true }) response: ServerResponse): Promise<void> {
    const { url, browser } = await this.signOn.start(provider);
    setSignOnCookie(response, this.config, browser);
    response.setHeader('location', url);
  }

  @Get(':provider/callback')
  @HttpCode(302)
  @ApiOperation({ operationId: 'sign_on_finish', summary: 'Takes the answer of the identity provider; sets the session cookie' })
  @ApiFoundResponse({ description: 'To the page: logged in, or with the question for a second factor' })
  async finish(
    @Param('provider') provider: string,
    @Ip() address: string,
    @Req() request: IncomingMessage,
    @Res({ passthrough: true }) response: ServerResponse,
  ): Promise<void> {
    // As the browser brought it: the library checks for members that are there twice.
    const query = new URL(request.url ?? '', 'http://unused').searchParams;
    const result = await this.signOn.finish(provider, query, signOnCookieOf(request), {
      address,
      userAgent: request.headers['user-agent'],
    });
    switch (result.outcome) {
      case 'started':
        setSessionCookie(response, this.config, result.started.cookie);
        response.setHeader('location', '/');
        break;
      case 'challenged':
        // Behind the #, which is never sent on: no log and no referrer has it.
        response.setHeader(
          'location',
          `/#${new URLSearchParams({ challenge: result.challenge.challenge, methods: result.challenge.methods.join(' ') })}`,
        );
        break;
      case 'wait':
      case 'refused':
        throw refusalOf(response, result);
    }
    clearSignOnCookie(response, this.config);
  }
}
