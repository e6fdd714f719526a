import { Controller, Get, Header, Inject } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { Public } from '@rahat/service-kit';
import { SigningKeys } from './signing-keys.js';

@ApiExcludeController()
@Controller('.well-known')
export class JwksController {
  constructor(@Inject(SigningKeys) private readonly keys: SigningKeys) {}

  @Get('jwks.json')
  @Public()
  @Header('cache-control', 'public, max-age=300')
  async jwks(): ReturnType<SigningKeys['jwks']> {
    return this.keys.jwks();
  }
}
