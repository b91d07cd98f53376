import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';

const DESCRIPTION = `Orders against stock that lives at other companies: never oversold, each bought exactly once.

Press **Authorize** and paste an API key. Money is decimal text with two places, times are ISO 8601 UTC, lists take
\`limit\` and \`cursor\`, and every error is \`application/problem+json\` with a stable \`code\`. Every answer carries
\`X-Request-Id\`.`;

export function openApiDocument(app: INestApplication, version: string): OpenAPIObject {
  const settings = new DocumentBuilder()
    .setTitle('Holdfast')
    .setDescription(DESCRIPTION)
    .setVersion(version)
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'API key', description: 'An API key' }, 'apiKey')
    .build();
  return SwaggerModule.createDocument(app, settings);
}

/** Swagger UI at `/docs`, the document at `/docs-json`. */
export function serveOpenApi(app: INestApplication, version: string): void {
  SwaggerModule.setup('docs', app, openApiDocument(app, version), {
    jsonDocumentUrl: 'docs-json',
    raw: ['json'],
    swaggerOptions: { persistAuthorization: true, displayRequestDuration: true },
    customSiteTitle: 'Holdfast API',
  });
}
