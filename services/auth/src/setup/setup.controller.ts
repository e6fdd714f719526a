import type { ServerResponse } from 'node:http';
import { Body, Controller, Get, Inject, Ip, Post, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { SetupRequest, SetupState, TokenPair } from '@rahat/contracts';
import { CONFIG, Public } from '@rahat/service-kit';
import type { z } from 'zod';
import type { AuthConfig } from '../config.js';
import { FirstStart } from '../organizations/first-start.js';
import { setSessionCookie } from '../sessions/session-cookie.js';
import { SetupService } from './setup.service.js';

@ApiTags('setup')
@Controller('api/v2/setup')
export class SetupController {
  constructor(
    @Inject(SetupService) private readonly setup: SetupService,
    @Inject(FirstStart) private readonly firstStart: FirstStart,
    @Inject(CONFIG) private readonly config: AuthConfig,
  ) {}

  @Get()
  @Public()
  @ApiOperation({ operationId: 'setup_get', summary: 'Whether an owner exists' })
  @ApiOkResponse({ standardSchema: SetupState })
  async state(): Promise<z.infer<typeof SetupState>> {
    return { ownerExists: await this.firstStart.ownerExists() };
  }

  @Post()
  @Public()
  @ApiOperation({ operationId: 'setup_create', summary: 'Make the first owner with the one-time token of the console, and log in' })
  @ApiCreatedResponse({ standardSchema: TokenPair })
  async create(
    @Body({ schema: SetupRequest }) request: SetupRequest,
    @Ip() address: string,
    @Res({ passthrough: true }) response: ServerResponse,
  ): Promise<TokenPair> {
    const started = await this.setup.makeOwner(request, address);
    setSessionCookie(response, this.config, started.cookie);
    return started.tokens;
  }
}
