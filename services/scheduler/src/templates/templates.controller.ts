import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Patch, Post } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import {
  CreatePlanFromTemplate,
  CreateTemplate,
  pageOf,
  Plan,
  Template,
  UpdateTemplate,
  type Page,
  type Principal,
} from '@rahat/contracts';
import { CurrentPrincipal, IfMatch, Requires, Tagged, WithinServerGroups, type Expected } from '@rahat/service-kit';
import { TemplatesService } from './templates.service.js';

@ApiTags('templates')
@Controller('api/v2/templates')
export class TemplatesController {
  constructor(@Inject(TemplatesService) private readonly templates: TemplatesService) {}

  @Post()
  @Requires('plan:write')
  @ApiOperation({ operationId: 'templates_create', summary: 'Keep an outline of plans to start from, or import one' })
  @ApiCreatedResponse({ standardSchema: Template })
  @Tagged()
  async create(@CurrentPrincipal() principal: Principal, @Body({ schema: CreateTemplate }) request: CreateTemplate): Promise<Template> {
    return this.templates.create(principal, request);
  }

  @Get()
  @Requires('plan:read')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'templates_list', summary: "The organization's templates, then the built-in ones" })
  @ApiOkResponse({ standardSchema: pageOf(Template) })
  async list(@CurrentPrincipal() principal: Principal): Promise<Page<Template>> {
    return this.templates.list(principal);
  }

  @Get(':id')
  @Requires('plan:read')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'templates_get', summary: 'One template, by id or name' })
  @ApiOkResponse({ standardSchema: Template })
  @Tagged()
  async get(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<Template> {
    return this.templates.get(principal, id);
  }

  @Patch(':id')
  @Requires('plan:write')
  @ApiOperation({ operationId: 'templates_update', summary: 'Change a template of your own; plans made from it stay as they are' })
  @ApiOkResponse({ standardSchema: Template })
  @Tagged()
  async update(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body({ schema: UpdateTemplate }) request: UpdateTemplate,
    @IfMatch() expected: Expected,
  ): Promise<Template> {
    return this.templates.update(principal, id, request, expected);
  }

  @Delete(':id')
  @Requires('plan:write')
  @HttpCode(204)
  @ApiOperation({ operationId: 'templates_delete', summary: 'Delete a template of your own' })
  @ApiNoContentResponse()
  @Tagged()
  async remove(@CurrentPrincipal() principal: Principal, @Param('id') id: string, @IfMatch() expected: Expected): Promise<void> {
    await this.templates.remove(principal, id, expected);
  }

  @Post(':id/plans')
  @Requires('plan:write')
  @WithinServerGroups()
  @ApiOperation({ operationId: 'templates_create_plan', summary: 'Make a plan of a template; what the request says goes before it' })
  @ApiCreatedResponse({ standardSchema: Plan })
  async createPlan(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body({ schema: CreatePlanFromTemplate }) request: CreatePlanFromTemplate,
  ): Promise<Plan> {
    return this.templates.createPlan(principal, id, request);
  }
}
