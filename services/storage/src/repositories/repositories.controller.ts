import { Body, Controller, Get, Inject, Param, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import {
  AttachedRepository,
  AttachRepository,
  CreatedRepository,
  CreateRepository,
  pageOf,
  PageQuery,
  Repository,
  RepositorySnapshot,
  type Page,
  type Principal,
} from '@rahat/contracts';
import { CurrentPrincipal, Requires, WithinServerGroups } from '@rahat/service-kit';
import { AttachmentService } from './attachment.service.js';
import { RepositoriesService } from './repositories.service.js';
import { SnapshotsService } from './snapshots.service.js';

@ApiTags('repositories')
@Controller('api/v2/repositories')
export class RepositoriesController {
  constructor(
    @Inject(RepositoriesService) private readonly repositories: RepositoriesService,
    @Inject(AttachmentService) private readonly attachment: AttachmentService,
    @Inject(SnapshotsService) private readonly snapshots: SnapshotsService,
  ) {}

  @Post()
  @Requires('storage:write')
  @ApiOperation({
    operationId: 'repositories_create',
    summary: 'Make a repository; a passphrase that was not given is made and shown this once',
  })
  @ApiCreatedResponse({ standardSchema: CreatedRepository })
  async create(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: CreateRepository }) request: CreateRepository,
  ): Promise<CreatedRepository> {
    return this.repositories.create(principal, request);
  }

  @Post('attach')
  @Requires('storage:write')
  @ApiOperation({
    operationId: 'repositories_attach',
    summary: 'Take over a repository that another installation made; a rebuild of the catalog then finds its backups',
  })
  @ApiCreatedResponse({ standardSchema: AttachedRepository })
  async attach(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: AttachRepository }) request: AttachRepository,
  ): Promise<AttachedRepository> {
    return this.attachment.attach(principal, request);
  }

  @Get()
  @Requires('storage:read')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'repositories_list', summary: 'The repositories, newest first' })
  @ApiOkResponse({ standardSchema: pageOf(Repository) })
  async list(@CurrentPrincipal() principal: Principal, @Query({ schema: PageQuery }) page: PageQuery): Promise<Page<Repository>> {
    return this.repositories.list(principal, page);
  }

  @Get(':id')
  @Requires('storage:read')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'repositories_get', summary: 'One repository' })
  @ApiOkResponse({ standardSchema: Repository })
  async get(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<Repository> {
    return this.repositories.get(principal, id);
  }

  @Get(':id/snapshots')
  @Requires('storage:read', 'backup:read')
  @ApiOperation({ operationId: 'repositories_list_snapshots', summary: 'The snapshots as the repository itself tells them, newest first' })
  @ApiOkResponse({ standardSchema: pageOf(RepositorySnapshot) })
  async listSnapshots(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Query({ schema: PageQuery }) page: PageQuery,
  ): Promise<Page<RepositorySnapshot>> {
    return this.snapshots.list(principal, id, page);
  }
}
