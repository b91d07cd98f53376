import { randomUUID } from 'node:crypto';
import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { ConnectionError } from 'fastify';
import { PROBLEM_MEDIA_TYPE, type Problem, problemOf } from './problem-types';

/** Request line and headers together; many times what is needed, so that an address that is too long can be read and told so. */
export const HEAD_BYTES_MAX = 256 * 1024;
const HEAD_TOO_LARGE = `Address and headers may have at most ${HEAD_BYTES_MAX / 1024} KiB together.`;
/** Whoever still sends what we have refused gets so long to read why. */
const LINGER_MS = 1000;

/** Answers what is not even a request, on its connection; that ends with it. None of Fastify's hooks run. */
export function refuseUnreadable(error: ConnectionError, socket: Socket): void {
  // It is refused already, and goes on sending.
  if (socket.writableEnded) return;
  const { _httpMessage: underWay } = socket as Socket & { _httpMessage?: ServerResponse };
  if (!socket.writable || underWay?.headersSent) return void socket.destroy();
  socket.end(answerOf(problemWith(error, randomUUID())));
  socket.setTimeout(LINGER_MS, () => socket.destroy());
}

function problemWith({ code }: ConnectionError, requestId: string): Problem {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return problemOf('HEADERS_TOO_LARGE', HEAD_TOO_LARGE, requestId);
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return problemOf('REQUEST_TIMEOUT', 'The request took too long to arrive.', requestId);
    default:
      return problemOf('MALFORMED_REQUEST', 'This is not HTTP/1.1.', requestId);
  }
}

function answerOf(problem: Problem): string {
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    `content-type: ${PROBLEM_MEDIA_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${problem.requestId}`,
    'connection: close',
  ];
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}
