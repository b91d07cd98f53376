import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';

const DESCRIPTION = `Orders against stock that lives at other companies: never oversold, each bought exactly once.

Press **Authorize** and paste an API key. Money is decimal text with two places, times are ISO 8601 UTC, lists take
\`limit\` and \`cursor\`, and every error is \`application/problem+json\` with a stable \`code\`. Every answer carries
\`X-Request-Id\`. An address that is not here answers \`404 ROUTE_NOT_FOUND\`, another method \`405 METHOD_NOT_ALLOWED\` with
\`Allow\`.`;

/** Every other number is whole, which TypeScript has no word for. */
const FRACTIONS = new Set(['oldestSeconds', 'stockAgeSeconds', 'percent', 'rowsPerSecond']);

export function openApiDocument(app: INestApplication, version: string): OpenAPIObject {
  const settings = new DocumentBuilder()
    .setTitle('Holdfast')
    .setDescription(DESCRIPTION)
    .setVersion(version)
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'API key', description: 'An API key' }, 'apiKey')
    .build();
  const document = SwaggerModule.createDocument(app, settings);
  makeNumbersWhole(document);
  return document;
}

/** `name`: of the property or parameter that the part describes. */
function makeNumbersWhole(part: object, name = ''): void {
  const described = part as { type?: unknown; name?: unknown };
  if (described.type === 'number' && !FRACTIONS.has(name)) described.type = 'integer';
  for (const [key, value] of Object.entries(part) as [string, unknown][]) {
    if (typeof value !== 'object' || value === null) continue;
    makeNumbersWhole(value, key === 'schema' ? String(described.name) : key);
  }
}

/** Swagger UI at `/docs`, the document at `/docs-json`: made when first asked for, as it takes a tenth of the start. */
export function serveOpenApi(app: INestApplication, version: string): void {
  SwaggerModule.setup('docs', app, () => openApiDocument(app, version), {
    jsonDocumentUrl: 'docs-json',
    raw: ['json'],
    swaggerOptions: { persistAuthorization: true, displayRequestDuration: true },
    customSiteTitle: 'Holdfast API',
  });
}
