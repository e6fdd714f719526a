import type { ServerResponse } from 'node:http';
import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post, Query, Res } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { EndedSessions, EnterOrganization, pageOf, PageQuery, Session, TokenPair, type Page, type Principal } from '@rahat/contracts';
import { CONFIG, CurrentPrincipal, Requires, WithinServerGroups } from '@rahat/service-kit';
import type { AuthConfig } from '../config.js';
import { OrganizationSwitch } from './organization-switch.js';
import { setSessionCookie } from './session-cookie.js';
import { SessionOverview } from './session-overview.js';

@ApiTags('sessions')
@Controller('api/v2/sessions')
export class OwnSessionsController {
  constructor(
    @Inject(SessionOverview) private readonly sessions: SessionOverview,
    @Inject(OrganizationSwitch) private readonly organizations: OrganizationSwitch,
    @Inject(CONFIG) private readonly config: AuthConfig,
  ) {}

  @Get()
  @Requires()
  @WithinServerGroups()
  @ApiOperation({ operationId: 'sessions_list', summary: 'Where you are logged in, newest first' })
  @ApiOkResponse({ standardSchema: pageOf(Session) })
  async list(@CurrentPrincipal() principal: Principal, @Query({ schema: PageQuery }) page: PageQuery): Promise<Page<Session>> {
    return this.sessions.listOwn(principal, page);
  }

  @Post('current/organization')
  @Requires()
  @WithinServerGroups()
  @HttpCode(200)
  @ApiOperation({
    operationId: 'sessions_enter_organization',
    summary: 'Go on in another of your organizations; the cookie and the tokens of this session are replaced',
  })
  @ApiOkResponse({ standardSchema: TokenPair })
  async enter(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: EnterOrganization }) request: EnterOrganization,
    @Res({ passthrough: true }) response: ServerResponse,
  ): Promise<TokenPair> {
    const entered = await this.organizations.enter(principal, request.organization);
    setSessionCookie(response, this.config, entered.cookie);
    return entered.tokens;
  }

  @Delete('others')
  @Requires()
  @WithinServerGroups()
  @HttpCode(200)
  @ApiOperation({ operationId: 'sessions_end_others', summary: 'Log out everywhere else' })
  @ApiOkResponse({ standardSchema: EndedSessions })
  async endOthers(@CurrentPrincipal() principal: Principal): Promise<EndedSessions> {
    return { ended: await this.sessions.endOthers(principal) };
  }

  @Delete(':id')
  @Requires()
  @WithinServerGroups()
  @HttpCode(204)
  @ApiOperation({ operationId: 'sessions_end_one', summary: 'End one of your sessions' })
  @ApiNoContentResponse()
  async endOne(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<void> {
    await this.sessions.endOwn(principal, id);
  }
}
