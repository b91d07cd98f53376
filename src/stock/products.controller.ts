import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { RequiresScope } from '../auth/access';
import { ApiProblems } from '../http/api-problems';
import { decodeCursor, page } from '../http/cursor';
import { VENDOR_ID } from '../vendors/vendor';
import { parseProductId } from './product';
import { ProductQueries } from './product-queries';
import { ProductDto, ProductPageDto, ProductQuery } from './products.dto';

@ApiTags('products')
@Controller('v1/products')
export class ProductsController {
  constructor(private readonly products: ProductQueries) {}

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
  @ApiOperation({ operationId: 'getProduct', summary: 'One product; its id is percent-encoded in the path' })
  get(@Param('productId') productId: string): Promise<ProductDto> {
    return this.products.get(productId);
  }
}

function isProductId(text: string): boolean {
  return parseProductId(text) !== undefined;
}
