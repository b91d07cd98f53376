import type { IncomingMessage } from 'node:http';
import { Module } from '@nestjs/common';
import { LoggerModule } from 'nestjs-pino';
import { Config } from '../config/config';

/** Never logged, wherever they stand in a logged object. */
const SECRETS = [
  'req.headers.authorization',
  'req.headers.cookie',
  '*.authorization',
  '*.password',
  '*.key',
  '*.token',
];

/** Structured logs: JSON lines, or readable ones where standard output is a terminal. */
@Module({
  imports: [
    LoggerModule.forRootAsync({
      inject: [Config],
      useFactory: ({ logLevel }: Config) => ({
        pinoHttp: {
          level: logLevel,
          redact: { paths: SECRETS, censor: '[redacted]' },
          genReqId: ({ id }) => id,
          // One line a request, after its answer; a health probe every few seconds is not news.
          // (Middleware is shown the address below its mount; the whole one is kept beside it.)
          autoLogging: { ignore: (request) => addressOf(request).startsWith('/health/') },
          customSuccessMessage: (request, { statusCode }) => `${request.method} ${addressOf(request)} ${statusCode}`,
          customErrorMessage: (request, { statusCode }) => `${request.method} ${addressOf(request)} ${statusCode}`,
          customLogLevel: (_request, { statusCode }) => (statusCode >= 500 ? 'warn' : 'info'),
          serializers: {
            req: ({ id, method, url }: { id: string; method: string; url: string }) => ({ id, method, url }),
            res: ({ statusCode }: { statusCode: number }) => ({ statusCode }),
          },
          ...(process.stdout.isTTY && {
            transport: { target: 'pino-pretty', options: { singleLine: true, ignore: 'pid,hostname,req,res' } },
          }),
        },
        // Fastify's own request id is the one we answer with.
        forRoutes: ['{*path}'],
      }),
    }),
  ],
})
export class LoggingModule {}

function addressOf(request: IncomingMessage & { originalUrl?: string }): string {
  return request.originalUrl ?? request.url ?? '';
}
