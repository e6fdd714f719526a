import type { ServerResponse } from 'node:http';
import { Controller, Get, Headers, Param, Query, Res } from '@nestjs/common';
import { RahatError, type LivePage, type Principal } from '@rahat/contracts';
import { CurrentPrincipal, InternalOnly } from '@rahat/service-kit';

type Asker = Pick<Principal, 'organization' | 'serverGroups'>;

interface Told {
  organization: string;
  /** Where it happened. */
  group?: string;
  id?: string;
  type: string;
  data: object;
}

const PAGE = 3;
const idOf = (number: number): string => `${1_000 + number}-7-${number}`;
const numberOf = (position: string): number => Number(position.split('-').at(-1));

/** What the owner of the events does, of which tests decide what happens. */
export class EventsBehind {
  readonly told: Told[] = [];
  readonly streams = new Set<{ asker: Asker; response: ServerResponse }>();
  opened = 0;
  /** Before a page is read. */
  beforePage: () => Promise<void> = async () => undefined;

  tell(organization: string, type: string, data: object, group?: string): void {
    const event: Told = { organization, group, type, data, ...(type !== 'progress' && { id: idOf(this.told.length + 1) }) };
    if (event.id !== undefined) this.told.push(event);
    for (const stream of this.streams) if (isFor(stream.asker, event)) write(stream.response, event);
  }

  breakStreams(): void {
    for (const { response } of this.streams) response.destroy();
  }

  follow(asker: Asker, position: string, response: ServerResponse): void {
    this.opened += 1;
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': begin\n\n');
    write(response, { organization: asker.organization, type: 'ready', data: {}, id: position });
    for (const event of this.after(asker, position)) write(response, event);
    const stream = { asker, response };
    this.streams.add(stream);
    response.once('close', () => this.streams.delete(stream));
  }

  async since(asker: Asker, position: string | undefined): Promise<LivePage> {
    await this.beforePage();
    const known = position !== undefined && /^\d+-7-\d+$/.test(position);
    if (!known) return { missed: position !== undefined, position: idOf(this.told.length), events: [], more: false, over: false };
    const events = this.after(asker, position);
    const page = events.slice(0, PAGE);
    return { missed: false, position: page.at(-1)?.id ?? position, events: page, more: events.length > PAGE, over: false };
  }

  private after(asker: Asker, position: string): Told[] {
    return this.told.slice(numberOf(position)).filter((event) => isFor(asker, event));
  }
}

function isFor({ organization, serverGroups }: Asker, event: Told): boolean {
  return event.organization === organization && (serverGroups === null || serverGroups.includes(event.group ?? ''));
}

export const behind = new EventsBehind();
/** Of the only run there is. */
export const run = { id: 'run_1', organization: 'org_1', state: 'running', log: ['one', 'two'] };
const endings = new Set<() => void>();

export function endRun(): void {
  run.state = 'succeeded';
  for (const end of endings) end();
}

@Controller('internal/v1/live')
@InternalOnly()
export class EventsBehindController {
  @Get('events')
  follow(@CurrentPrincipal() principal: Principal, @Res() response: ServerResponse, @Headers('last-event-id') id: string): void {
    behind.follow(principal, id, response);
  }

  @Get('since')
  async since(@CurrentPrincipal() principal: Principal, @Query('after') after?: string): Promise<LivePage> {
    return behind.since(principal, after);
  }

  @Get('runs/:id/events')
  followRun(@Res() response: ServerResponse, @Headers('last-event-id') id: string): void {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': begin\n\n');
    const tell = () => write(response, { organization: '', type: 'run', data: { id: run.id, state: run.state }, id });
    tell();
    endings.add(() => {
      tell();
      response.end();
    });
  }

  @Get('runs/:id/since')
  sinceOfRun(@CurrentPrincipal() { organization }: Principal, @Param('id') id: string, @Query('after') after = '0'): LivePage {
    if (id !== run.id || organization !== run.organization) throw new RahatError('not_found', 'There is no such run.');
    const lines = run.log.map((message, index) => ({ type: 'log', data: { message }, id: String(index + 1) })).slice(Number(after));
    const position = lines.at(-1)?.id ?? after;
    const events = [...lines, { type: 'run', data: { id, state: run.state }, id: position }];
    return { missed: false, position, events, more: false, over: run.state === 'succeeded' };
  }
}

function write(response: ServerResponse, { id, type, data }: Told): void {
  response.write(`${id === undefined ? '' : `id: ${id}\n`}event: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
}
