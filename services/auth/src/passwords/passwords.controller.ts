import { Body, Controller, HttpCode, Inject, Ip, Post, Put } from '@nestjs/common';
import { ApiNoContentResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ChangePassword, ResetPassword, type Principal } from '@rahat/contracts';
import { CurrentPrincipal, Public, Requires, WithinServerGroups } from '@rahat/service-kit';
import { OwnPassword } from './own-password.js';
import { PasswordResets } from './password-resets.js';

@ApiTags('passwords')
@Controller('api/v2')
export class PasswordsController {
  constructor(
    @Inject(OwnPassword) private readonly own: OwnPassword,
    @Inject(PasswordResets) private readonly resets: PasswordResets,
  ) {}

  @Put('me/password')
  @Requires()
  @WithinServerGroups()
  @HttpCode(204)
  @ApiOperation({ operationId: 'me_password_change', summary: 'Change your password; your other sessions end' })
  @ApiNoContentResponse()
  async change(@CurrentPrincipal() principal: Principal, @Body({ schema: ChangePassword }) request: ChangePassword): Promise<void> {
    await this.own.change(principal, request);
  }

  @Post('password-resets')
  @Public()
  @HttpCode(204)
  @ApiOperation({ operationId: 'password_resets_use', summary: 'Set a new password by a reset link, which works once; all sessions end' })
  @ApiNoContentResponse()
  async reset(@Body({ schema: ResetPassword }) request: ResetPassword, @Ip() address: string): Promise<void> {
    await this.resets.use(request, address);
  }
}
