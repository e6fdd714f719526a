import { Controller, HttpCode, Inject, Post } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FirstStartAnswer } from '@rahat/contracts';
import { InternalOnly } from '@rahat/service-kit';
import { FirstStart } from './first-start.js';

/** For whoever starts the services, and has their key: a token is made at each call, so it is no GET. */
@ApiExcludeController()
@Controller('internal/v1/first-start')
export class FirstStartController {
  constructor(@Inject(FirstStart) private readonly firstStart: FirstStart) {}

  @Post()
  @InternalOnly()
  @HttpCode(200)
  async begin(): Promise<FirstStartAnswer> {
    return { organization: await this.firstStart.defaultOrganization(), setupToken: (await this.firstStart.setupToken()) ?? null };
  }
}
