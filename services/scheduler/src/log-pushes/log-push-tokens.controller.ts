import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { CreatedLogPushToken, CreateLogPushToken, LogPushTokens as Tokens, type Principal } from '@rahat/contracts';
import { CurrentPrincipal, Requires, WithinServerGroups } from '@rahat/service-kit';
import { LogPushTokens } from './log-push-tokens.js';

@ApiTags('servers')
@Controller('api/v2/servers/:server/log-push-tokens')
export class LogPushTokensController {
  constructor(@Inject(LogPushTokens) private readonly tokens: LogPushTokens) {}

  @Post()
  @Requires('server:write')
  @WithinServerGroups()
  @ApiOperation({
    operationId: 'log_push_tokens_create',
    summary: 'Let a server push its own log, with the settings to copy to it; the token is told this once',
  })
  @ApiCreatedResponse({ standardSchema: CreatedLogPushToken })
  async create(
    @CurrentPrincipal() principal: Principal,
    @Param('server') server: string,
    @Body({ schema: CreateLogPushToken }) request: CreateLogPushToken,
  ): Promise<CreatedLogPushToken> {
    return this.tokens.create(principal, server, request);
  }

  @Get()
  @Requires('server:read')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'log_push_tokens_list', summary: 'The push tokens of a server that are good, newest first' })
  @ApiOkResponse({ standardSchema: Tokens })
  async list(@CurrentPrincipal() principal: Principal, @Param('server') server: string): Promise<Tokens> {
    return this.tokens.list(principal, server);
  }

  @Delete(':id')
  @Requires('server:write')
  @WithinServerGroups()
  @HttpCode(204)
  @ApiOperation({ operationId: 'log_push_tokens_revoke', summary: 'Refuse a push token from now on' })
  @ApiNoContentResponse()
  async revoke(@CurrentPrincipal() principal: Principal, @Param('server') server: string, @Param('id') id: string): Promise<void> {
    await this.tokens.revoke(principal, server, id);
  }
}
