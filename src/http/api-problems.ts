import { applyDecorators } from '@nestjs/common';
import { ApiExtraModels, ApiProperty, ApiResponse, type ApiResponseOptions, getSchemaPath } from '@nestjs/swagger';
import { type FieldError, type Problem, type ProblemCode, problemOf, problemTypes } from './problem-types';

class FieldErrorSchema implements FieldError {
  [extra: string]: unknown;
  @ApiProperty({ description: 'Path of the field at fault', example: 'lines[1].quantity' })
  field!: string;
  @ApiProperty({ description: 'What was expected of it', example: 'must not be less than 1' })
  message!: string;
  @ApiProperty({
    required: false,
    description: 'The product at fault',
    example: 'alpine-outdoor:TENT-2P-GREEN',
  })
  productId?: string;
  @ApiProperty({
    required: false,
    description: 'What was asked for, of INSUFFICIENT_STOCK and PRODUCT_NOT_FOUND',
    example: 50,
  })
  requested?: number;
  @ApiProperty({
    required: false,
    description: 'What can be sold, of INSUFFICIENT_STOCK and PRODUCT_NOT_FOUND',
    example: 38,
  })
  available?: number;
}

/** `application/problem+json` (RFC 9457). */
class ProblemSchema implements Problem {
  @ApiProperty({ example: 'urn:holdfast:problem:VALIDATION_FAILED' })
  type!: string;
  @ApiProperty({ example: problemTypes.VALIDATION_FAILED.title })
  title!: string;
  @ApiProperty({ example: 400 })
  status!: number;
  @ApiProperty({ description: 'What went wrong with this request', example: 'quantity: must not be less than 1' })
  detail!: string;
  @ApiProperty({ description: 'Stable; branch on this', enum: Object.keys(problemTypes) })
  code!: ProblemCode;
  @ApiProperty({ description: 'As in the header X-Request-Id' })
  requestId!: string;
  @ApiProperty({ required: false, type: [FieldErrorSchema] })
  errors?: FieldErrorSchema[];
}

const exampleErrors: Partial<Record<ProblemCode, FieldErrorSchema[]>> = {
  VALIDATION_FAILED: [{ field: 'quantity', message: 'must not be less than 1' }],
  INSUFFICIENT_STOCK: [
    {
      field: 'quantity',
      message: 'must not be more than 38',
      productId: 'alpine-outdoor:TENT-2P-GREEN',
      requested: 50,
      available: 38,
    },
  ],
};

/** By status. */
const HEADERS: Record<number, NonNullable<ApiResponseOptions['headers']>> = {
  401: { 'WWW-Authenticate': { description: 'How to authenticate', schema: { type: 'string', example: 'Bearer' } } },
  503: { 'Retry-After': { description: 'Seconds to wait', schema: { type: 'integer', example: 2 } } },
};

const EXAMPLE_REQUEST_ID = '0191f2a0-0000-7000-8000-000000000000';
const ORDER_OF_CODES = Object.keys(problemTypes);

/** Documents the problems a route answers with: one response a status, one example a code. */
export function ApiProblems(...codes: ProblemCode[]): MethodDecorator & ClassDecorator {
  return (target: object, key?: string | symbol, descriptor?: PropertyDescriptor) => {
    const documented = descriptor?.value as { problems?: Set<ProblemCode> } | undefined;
    const all = new Set([...(documented?.problems ?? []), ...codes]);
    if (documented) documented.problems = all;
    const decorate = applyDecorators(
      ApiExtraModels(ProblemSchema),
      ...[...byStatus(all)].map(([status, same]) => response(status, same)),
    );
    decorate(target, key as string, descriptor as never);
  };
}

function byStatus(codes: Set<ProblemCode>): Map<number, ProblemCode[]> {
  const groups = new Map<number, ProblemCode[]>();
  for (const code of [...codes].sort((a, b) => ORDER_OF_CODES.indexOf(a) - ORDER_OF_CODES.indexOf(b))) {
    const { status } = problemTypes[code];
    groups.set(status, [...(groups.get(status) ?? []), code]);
  }
  return groups;
}

function response(status: number, codes: ProblemCode[]): MethodDecorator & ClassDecorator {
  return ApiResponse({
    status,
    ...(status in HEADERS && { headers: HEADERS[status] }),
    description: codes.map((code) => `\`${code}\`: ${problemTypes[code].title}`).join('<br>'),
    content: {
      'application/problem+json': {
        schema: { $ref: getSchemaPath(ProblemSchema) },
        examples: Object.fromEntries(
          codes.map((code) => [
            code,
            { value: problemOf(code, problemTypes[code].title, EXAMPLE_REQUEST_ID, exampleErrors[code]) },
          ]),
        ),
      },
    },
  });
}
