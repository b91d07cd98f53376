import { Module } from '@nestjs/common';
import { LoggerModule } from 'nestjs-pino';
import { Config } from '../config/config';

/** Never logged, wherever they stand in a logged object. */
const SECRETS = ['*.authorization', '*.password', '*.key', '*.token'];

const asItIs = <Value>(value: Value): Value => value;

/**
 * Structured logs: JSON lines, or readable ones where standard output is a terminal. The library's own line a request is
 * off: it follows each request through an AsyncLocalStorage, which made every promise dearer (see `request-log.ts`).
 */
@Module({
  imports: [
    LoggerModule.forRootAsync({
      inject: [Config],
      useFactory: ({ logLevel }: Config) => ({
        pinoHttp: {
          level: logLevel,
          // The line a request is ours, and plain already.
          wrapSerializers: false,
          serializers: { req: asItIs, res: asItIs },
          redact: { paths: SECRETS, censor: '[redacted]' },
          ...(process.stdout.isTTY && {
            transport: { target: 'pino-pretty', options: { singleLine: true, ignore: 'pid,hostname,req,res' } },
          }),
        },
        forRoutes: [],
      }),
    }),
  ],
})
export class LoggingModule {}
