import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { Controller, Get, Header, Param, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { RahatError } from '@rahat/contracts';
import { Public } from '@rahat/service-kit';
import type { Response } from 'express';
import { PUBLIC_FOLDER } from '../public-folder.js';

/** Of the package only what browsers load is used, which has everything in it. */
const BUNDLE = path.join(path.dirname(createRequire(import.meta.url).resolve('@scalar/api-reference')), 'browser');
const SCRIPT = /^(chunks\/)?[\w.-]+\.js$/;

/** The API to read and try out, by Scalar; all of it from here. */
@ApiExcludeController()
@Public()
@Controller('api/docs/reference')
export class ReferenceController {
  private readonly page = readFileSync(new URL('reference.html', PUBLIC_FOLDER), 'utf8');
  private readonly script = readFileSync(new URL('reference.js', PUBLIC_FOLDER), 'utf8');

  @Get()
  @Header('content-type', 'text/html; charset=utf-8')
  @Header('cache-control', 'no-cache')
  index(): string {
    return this.page;
  }

  @Get('page.js')
  @Header('content-type', 'text/javascript; charset=utf-8')
  @Header('cache-control', 'no-cache')
  code(): string {
    return this.script;
  }

  @Get('bundle/*file')
  bundle(@Param('file') file: string[], @Res() response: Response): void {
    const name = [file].flat().join('/');
    if (!SCRIPT.test(name) || !existsSync(path.join(BUNDLE, name))) throw new RahatError('not_found', 'There is no such file.');
    response.sendFile(name, { root: BUNDLE, maxAge: '1d' });
  }
}
