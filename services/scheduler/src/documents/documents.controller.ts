import { Body, Controller, Get, HttpCode, Inject, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { AppliedDocuments, ApplyDocuments, ExportedDocuments, type Principal } from '@rahat/contracts';
import { CurrentPrincipal, Requires } from '@rahat/service-kit';
import { DocumentsService } from './documents.service.js';

@ApiTags('documents')
@Controller('api/v2/documents')
export class DocumentsController {
  constructor(@Inject(DocumentsService) private readonly documents: DocumentsService) {}

  @Get()
  @Requires('plan:read', 'server:read', 'storage:read')
  @ApiOperation({ operationId: 'documents_export', summary: 'The organization as documents, with secrets as references' })
  @ApiOkResponse({ standardSchema: ExportedDocuments })
  async export(@CurrentPrincipal() principal: Principal): Promise<ExportedDocuments> {
    return this.documents.export(principal);
  }

  @Post('apply')
  @Requires('plan:write', 'server:write')
  @HttpCode(200)
  @ApiOperation({ operationId: 'documents_apply', summary: 'Make the organization as the documents say, or only tell what would change' })
  @ApiOkResponse({ standardSchema: AppliedDocuments })
  async apply(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: ApplyDocuments }) request: ApplyDocuments,
  ): Promise<AppliedDocuments> {
    return this.documents.apply(principal, request);
  }
}
