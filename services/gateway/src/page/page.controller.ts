import { readFileSync } from 'node:fs';
import { Controller, Get, Header } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { Public } from '@rahat/service-kit';
import { PUBLIC_FOLDER } from '../public-folder.js';

const read = (name: string) => readFileSync(new URL(name, PUBLIC_FOLDER), 'utf8');

/** The one static page, until the dashboard comes: set-up, log-in, what is protected and proven when. */
@ApiExcludeController()
@Public()
@Controller()
export class PageController {
  private readonly page = read('index.html');
  private readonly script = read('app.js');
  private readonly style = read('app.css');
  private readonly icon = read('icon.svg');

  @Get(['/', '/setup', '/device'])
  @Header('content-type', 'text/html; charset=utf-8')
  @Header('cache-control', 'no-cache')
  index(): string {
    return this.page;
  }

  @Get('/page/app.js')
  @Header('content-type', 'text/javascript; charset=utf-8')
  @Header('cache-control', 'no-cache')
  code(): string {
    return this.script;
  }

  @Get('/page/app.css')
  @Header('content-type', 'text/css; charset=utf-8')
  @Header('cache-control', 'no-cache')
  styles(): string {
    return this.style;
  }

  @Get(['/page/icon.svg', '/favicon.ico'])
  @Header('content-type', 'image/svg+xml')
  @Header('cache-control', 'public, max-age=86400')
  image(): string {
    return this.icon;
  }
}
