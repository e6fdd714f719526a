import { Body, Controller, Delete, Get, HttpCode, Inject, Ip, Param, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import {
  AcceptedInvitation,
  AcceptInvitation,
  CreatedInvitation,
  CreateInvitation,
  Invitation,
  InvitationForGuest,
  LookAtInvitation,
  pageOf,
  PageQuery,
  type Page,
  type Principal,
} from '@rahat/contracts';
import { CurrentPrincipal, Public, Requires, WithinServerGroups } from '@rahat/service-kit';
import { GuestsService } from './guests.service.js';
import { InvitationsService } from './invitations.service.js';

@ApiTags('invitations')
@Controller('api/v2/invitations')
export class InvitationsController {
  constructor(
    @Inject(InvitationsService) private readonly invitations: InvitationsService,
    @Inject(GuestsService) private readonly guests: GuestsService,
  ) {}

  @Post()
  @Requires('user:write')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'invitations_create', summary: 'Invite somebody; the token is shown this once and works once' })
  @ApiCreatedResponse({ standardSchema: CreatedInvitation })
  async create(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: CreateInvitation }) request: CreateInvitation,
  ): Promise<CreatedInvitation> {
    return this.invitations.create(principal, request);
  }

  @Get()
  @Requires('user:read')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'invitations_list', summary: 'The invitations of the organization, newest first' })
  @ApiOkResponse({ standardSchema: pageOf(Invitation) })
  async list(@CurrentPrincipal() principal: Principal, @Query({ schema: PageQuery }) page: PageQuery): Promise<Page<Invitation>> {
    return this.invitations.list(principal, page);
  }

  @Delete(':id')
  @Requires('user:write')
  @WithinServerGroups()
  @HttpCode(204)
  @ApiOperation({ operationId: 'invitations_revoke', summary: 'Revoke an open invitation' })
  @ApiNoContentResponse()
  async revoke(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<void> {
    await this.invitations.revoke(principal, id);
  }

  /** The token stays out of the path, which stands in logs. */
  @Post('look')
  @Public()
  @HttpCode(200)
  @ApiOperation({ operationId: 'invitations_look', summary: 'What a token invites to' })
  @ApiOkResponse({ standardSchema: InvitationForGuest })
  async look(@Body({ schema: LookAtInvitation }) request: LookAtInvitation): Promise<InvitationForGuest> {
    return this.guests.look(request.token);
  }

  @Post('accept')
  @Public()
  @ApiOperation({ operationId: 'invitations_accept', summary: 'Accept an invitation, as a new user or with an account that exists' })
  @ApiCreatedResponse({ standardSchema: AcceptedInvitation })
  async accept(@Body({ schema: AcceptInvitation }) request: AcceptInvitation, @Ip() address: string): Promise<AcceptedInvitation> {
    return this.guests.accept(request, address);
  }
}
