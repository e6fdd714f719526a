import { Body, Controller, HttpCode, Inject, Post } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { CreateRepository, CreateStorage, Principal, RahatError, type KnownPlaces, type Page, type PageQuery } from '@rahat/contracts';
import { CurrentPrincipal, InternalOnly } from '@rahat/service-kit';
import { z } from 'zod';
import { RepositoriesService } from '../repositories/repositories.service.js';
import { StoragesService } from '../storages/storages.service.js';

/** The scheduler checked what `actor` may do; the trail names them. */
const MakeStorage = z.object({ actor: Principal, request: CreateStorage }).strict();
const MakeRepository = z.object({ actor: Principal, request: CreateRepository }).strict();

const AT_ONCE = 200;

/** Storages and repositories for the documents that the scheduler applies. */
@ApiExcludeController()
@Controller('internal/v1/places')
@InternalOnly()
export class PlacesController {
  constructor(
    @Inject(StoragesService) private readonly storages: StoragesService,
    @Inject(RepositoriesService) private readonly repositories: RepositoriesService,
  ) {}

  @Post()
  @HttpCode(200)
  async known(@CurrentPrincipal() principal: Principal): Promise<KnownPlaces> {
    const storages = await allOf((page) => this.storages.list(principal, page));
    const repositories = await allOf((page) => this.repositories.list(principal, page));
    return {
      storages: storages.map(({ id, name, settings }) => ({ id, name, settings })),
      repositories: repositories.map(({ id, name, storage, prefix, attachedAt }) => ({ id, name, storage, prefix, attachedAt })),
    };
  }

  @Post('storages')
  @HttpCode(200)
  async makeStorage(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: MakeStorage }) { actor, request }: z.infer<typeof MakeStorage>,
  ): Promise<KnownPlaces> {
    await this.storages.create(inOrganizationOf(principal, actor), request);
    return this.known(principal);
  }

  /** With a passphrase of the document; one that is made here would be shown to nobody. */
  @Post('repositories')
  @HttpCode(200)
  async makeRepository(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: MakeRepository }) { actor, request }: z.infer<typeof MakeRepository>,
  ): Promise<KnownPlaces> {
    if (request.passphrase === undefined) throw new RahatError('invalid_input', 'The passphrase of the repository is missing.');
    await this.repositories.create(inOrganizationOf(principal, actor), request);
    return this.known(principal);
  }
}

/** The organization is what the calling service's token says, whatever the body does. */
function inOrganizationOf(principal: Principal, actor: Principal): Principal {
  if (actor.organization !== principal.organization) throw new RahatError('forbidden', 'The actor is of another organization.');
  return actor;
}

async function allOf<T>(load: (page: PageQuery) => Promise<Page<T>>): Promise<T[]> {
  const all: T[] = [];
  for (let cursor: string | undefined; ;) {
    const { data, page } = await load({ cursor, limit: AT_ONCE });
    all.push(...data);
    if (page.nextCursor === null) return all;
    cursor = page.nextCursor;
  }
}
