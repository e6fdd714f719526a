import { Body, Controller, Get, HttpCode, Inject, Post } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { PlatformProtection, ProtectPlatform, type Principal } from '@rahat/contracts';
import { CurrentPrincipal, InternalOnly } from '@rahat/service-kit';
import { PlatformProtectionService } from './platform-protection.service.js';

@ApiExcludeController()
@Controller('internal/v1/platform-protection')
@InternalOnly()
export class PlatformProtectionController {
  constructor(@Inject(PlatformProtectionService) private readonly platform: PlatformProtectionService) {}

  @Post()
  @HttpCode(200)
  async protect(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: ProtectPlatform }) request: ProtectPlatform,
  ): Promise<PlatformProtection> {
    return this.platform.protect(principal, request);
  }

  /** Of the calling service's organization. */
  @Get()
  async state(@CurrentPrincipal() principal: Principal): Promise<PlatformProtection> {
    return this.platform.state(principal.organization);
  }
}
