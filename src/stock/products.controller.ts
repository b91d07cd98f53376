import { Controller, Get, Headers, Param, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { RequiresScope } from '../auth/access';
import { ApiProblems } from '../http/api-problems';
import { decodeCursor, page } from '../http/cursor';
import { VENDOR_ID } from '../vendors/vendor';
import { ProductCache } from './cache/product-cache';
import { isKnown } from './etag';
import { parseProductId } from './product';
import { ProductQueries } from './product-queries';
import { ApiOneProduct, ProductPageDto, ProductQuery } from './products.dto';

@ApiTags('products')
@Controller('v1/products')
export class ProductsController {
  constructor(
    private readonly products: ProductQueries,
    private readonly cache: ProductCache,
  ) {}

  @Get()
  @RequiresScope('catalog:read')
  @ApiProblems('VALIDATION_FAILED', 'INVALID_CURSOR')
  @ApiOperation({ operationId: 'listProducts', summary: 'Products by vendor and SKU' })
  async list(@Query() { limit, cursor, ...filter }: ProductQuery): Promise<ProductPageDto> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, [(id) => VENDOR_ID.test(id), isProductId]);
    const found = await this.products.list({
      ...filter,
      after: after as [string, string] | undefined,
      limit: limit + 1,
    });
    return page(
      found,
      limit,
      (product) => product,
      ({ vendorId, productId }) => [vendorId, productId],
    );
  }

  @Get(':productId')
  @RequiresScope('catalog:read')
  @ApiProblems('VALIDATION_FAILED', 'PRODUCT_NOT_FOUND', 'URI_TOO_LONG')
  @ApiOneProduct()
  @ApiOperation({
    operationId: 'getProduct',
    summary: 'One product; its id is percent-encoded in the path',
    description:
      'Shows within a second what has changed. While its vendor or the database is away it is answered all the same, ' +
      'with `stale: true` and its `Age`.',
  })
  async get(
    @Param('productId') productId: string,
    @Headers('if-none-match') known: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string | undefined> {
    const { body, etag, ageSeconds } = await this.cache.get(productId);
    void reply.header('etag', etag);
    if (ageSeconds !== undefined) void reply.header('age', ageSeconds);
    if (known !== undefined && isKnown(etag, known)) return void reply.status(304);
    // The text is kept, so it is not made again for each reader.
    void reply.header('content-type', 'application/json; charset=utf-8');
    return body;
  }
}

function isProductId(text: string): boolean {
  return parseProductId(text) !== undefined;
}
