import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { EndedSessions, pageOf, PageQuery, ResetLink, Session, UpdateUser, User, type Page, type Principal } from '@rahat/contracts';
import { CurrentPrincipal, IfMatch, Requires, Tagged, WithinServerGroups, type Expected } from '@rahat/service-kit';
import { PasswordResets } from '../passwords/password-resets.js';
import { SessionOverview } from '../sessions/session-overview.js';
import { UsersService } from './users.service.js';

@ApiTags('users')
@Controller('api/v2/users')
export class UsersController {
  constructor(
    @Inject(UsersService) private readonly users: UsersService,
    @Inject(SessionOverview) private readonly sessions: SessionOverview,
    @Inject(PasswordResets) private readonly resets: PasswordResets,
  ) {}

  @Get()
  @Requires('user:read')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'users_list', summary: 'The members of the organization, the oldest first' })
  @ApiOkResponse({ standardSchema: pageOf(User) })
  async list(@CurrentPrincipal() principal: Principal, @Query({ schema: PageQuery }) page: PageQuery): Promise<Page<User>> {
    return this.users.list(principal, page);
  }

  @Get(':id')
  @Requires('user:read')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'users_get', summary: 'One member of the organization' })
  @ApiOkResponse({ standardSchema: User })
  @Tagged('lastSeenAt')
  async get(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<User> {
    return this.users.get(principal, id);
  }

  @Patch(':id')
  @Requires('user:write')
  @WithinServerGroups()
  @ApiOperation({
    operationId: 'users_update',
    summary: 'Give a member another role or other server groups, none that reach further than your own',
  })
  @ApiOkResponse({ standardSchema: User })
  @Tagged('lastSeenAt')
  async update(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body({ schema: UpdateUser }) request: UpdateUser,
    @IfMatch() expected: Expected,
  ): Promise<User> {
    return this.users.setRole(principal, id, request, expected);
  }

  @Delete(':id')
  @Requires('user:write')
  @WithinServerGroups()
  @HttpCode(204)
  @ApiOperation({ operationId: 'users_remove', summary: 'Remove a member; their sessions and the keys they made end within 10 seconds' })
  @ApiNoContentResponse()
  @Tagged('lastSeenAt')
  async remove(@CurrentPrincipal() principal: Principal, @Param('id') id: string, @IfMatch() expected: Expected): Promise<void> {
    await this.users.remove(principal, id, expected);
  }

  @Post(':id/reset-link')
  @Requires('user:write')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'users_reset_link', summary: 'Make a link by which a member sets a new password; it is shown this once' })
  @ApiCreatedResponse({ standardSchema: ResetLink })
  async resetLink(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<ResetLink> {
    return this.resets.issue(principal, id);
  }

  @Get(':id/sessions')
  @Requires('user:read')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'users_sessions_list', summary: "A member's sessions in this organization, newest first" })
  @ApiOkResponse({ standardSchema: pageOf(Session) })
  async listSessions(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Query({ schema: PageQuery }) page: PageQuery,
  ): Promise<Page<Session>> {
    return this.sessions.listOfMember(principal, await this.users.get(principal, id), page);
  }

  @Delete(':id/sessions')
  @Requires('user:write')
  @WithinServerGroups()
  @HttpCode(200)
  @ApiOperation({ operationId: 'users_sessions_end', summary: "End a member's sessions in this organization" })
  @ApiOkResponse({ standardSchema: EndedSessions })
  async endSessions(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<EndedSessions> {
    return { ended: await this.sessions.endOfMember(principal, await this.users.get(principal, id)) };
  }
}
