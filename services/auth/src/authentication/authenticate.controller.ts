import { Body, Controller, HttpCode, Inject, Post } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import {
  AuthenticateAgainRequest,
  AuthenticateRequest,
  RahatError,
  type AuthenticatedAgain,
  type AuthenticatedSubject,
} from '@rahat/contracts';
import { InternalOnly } from '@rahat/service-kit';
import type { z } from 'zod';
import { AuthenticationService } from './authentication.service.js';

@ApiExcludeController()
@Controller('internal/v1/authenticate')
export class AuthenticateController {
  constructor(@Inject(AuthenticationService) private readonly authentication: AuthenticationService) {}

  @Post()
  @InternalOnly()
  @HttpCode(200)
  async authenticate(@Body({ schema: AuthenticateRequest }) request: z.infer<typeof AuthenticateRequest>): Promise<AuthenticatedSubject> {
    return this.authentication.authenticate(request);
  }

  @Post('again')
  @InternalOnly()
  @HttpCode(200)
  async authenticateAgain(
    @Body({ schema: AuthenticateAgainRequest }) { asked }: z.infer<typeof AuthenticateAgainRequest>,
  ): Promise<z.infer<typeof AuthenticatedAgain>> {
    const answers = await this.authentication.authenticateAll(asked);
    return { subjects: answers.map((answer) => (answer instanceof RahatError ? null : answer)) };
  }
}
