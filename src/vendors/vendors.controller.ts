import { Body, Controller, Get, HttpCode, Param, Post, Put, Query, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { RequiresScope } from '../auth/access';
import { ApiProblems } from '../http/api-problems';
import { decodeCursor, page } from '../http/cursor';
import { TakesNoBody } from '../http/json-body';
import { PageQuery } from '../http/page.dto';
import { VENDOR_ID } from './vendor';
import { VendorRegistry } from './vendor-registry';
import { PutVendorDto, PutVendorQuery, VendorDto, VendorPageDto } from './vendors.dto';

@ApiTags('vendors')
@Controller('v1/vendors')
export class VendorsController {
  constructor(private readonly registry: VendorRegistry) {}

  @Get()
  @RequiresScope('catalog:read')
  @ApiProblems('VALIDATION_FAILED', 'INVALID_CURSOR')
  @ApiOperation({ operationId: 'listVendors', summary: 'Vendors in id order' })
  async list(@Query() { limit, cursor }: PageQuery): Promise<VendorPageDto> {
    const [after] = cursor === undefined ? [] : decodeCursor(cursor, [(id) => VENDOR_ID.test(id)]);
    const found = await this.registry.page({ limit: limit + 1, after });
    return page(
      found,
      limit,
      (vendor) => vendor,
      ({ vendorId }) => [vendorId],
    );
  }

  @Get(':vendorId')
  @RequiresScope('catalog:read')
  @ApiProblems('VALIDATION_FAILED', 'VENDOR_NOT_FOUND', 'URI_TOO_LONG')
  @ApiOperation({ operationId: 'getVendor', summary: 'One vendor' })
  get(@Param('vendorId') vendorId: string): Promise<VendorDto> {
    return this.registry.get(vendorId);
  }

  @Put(':vendorId')
  @RequiresScope('ops')
  @ApiProblems('MALFORMED_JSON', 'VALIDATION_FAILED', 'BODY_TOO_LARGE', 'URI_TOO_LONG', 'UNSUPPORTED_MEDIA_TYPE')
  @ApiOperation({
    operationId: 'putVendor',
    summary: 'Register or replace a vendor',
    description:
      'Replaces as a whole: an optional field that is absent takes its default. Another `kind` or `baseUrl` is taken for other ' +
      'books: what was sent before is still looked up and cancelled where it was sent, and what was accepted there stays held ' +
      'until an operator settles it, unless `moved` says that the same books are at the new address.',
  })
  @ApiOkResponse({ type: VendorDto, description: 'Replaced' })
  @ApiCreatedResponse({ type: VendorDto, description: 'Registered' })
  async put(
    @Param('vendorId') vendorId: string,
    @Query() { moved }: PutVendorQuery,
    @Body() body: PutVendorDto,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<VendorDto> {
    const settings = {
      ...body,
      vendorId,
      baseUrl: body.baseUrl.replace(/\/+$/, ''),
      syncIntervalMs: body.syncIntervalMs ?? null,
      fullSyncIntervalMs: body.fullSyncIntervalMs ?? null,
      feedMaxAgeMs: body.feedMaxAgeMs ?? null,
      staleStock: { policy: body.staleStock.policy, bufferQuantity: body.staleStock.bufferQuantity },
      credentialEnv: body.credentialEnv ?? null,
      deliveryAttemptsMax: body.deliveryAttemptsMax ?? null,
    };
    const { vendor, created } = await this.registry.put(settings, { moved });
    void reply.status(created ? 201 : 200);
    return vendor;
  }

  @Post(':vendorId/pause')
  @TakesNoBody()
  @RequiresScope('ops')
  @HttpCode(200)
  @ApiProblems('VALIDATION_FAILED', 'VENDOR_NOT_FOUND', 'URI_TOO_LONG')
  @ApiOkResponse({ type: VendorDto, description: 'Paused' })
  @ApiOperation({
    operationId: 'pauseVendor',
    summary: 'Stop dispatch to a vendor',
    description:
      'Calls under way still finish; its other orders wait, and use no attempt meanwhile. New orders are still taken, and ' +
      'its stock is still polled. Holds until it is resumed, over restarts too.',
  })
  pause(@Param('vendorId') vendorId: string): Promise<VendorDto> {
    return this.registry.setPaused(vendorId, true);
  }

  @Post(':vendorId/resume')
  @TakesNoBody()
  @RequiresScope('ops')
  @HttpCode(200)
  @ApiProblems('VALIDATION_FAILED', 'VENDOR_NOT_FOUND', 'URI_TOO_LONG')
  @ApiOkResponse({ type: VendorDto, description: 'Dispatched to again' })
  @ApiOperation({
    operationId: 'resumeVendor',
    summary: 'Dispatch to a paused vendor again',
    description: 'A breaker that is open stays so until its own time.',
  })
  resume(@Param('vendorId') vendorId: string): Promise<VendorDto> {
    return this.registry.setPaused(vendorId, false);
  }
}
