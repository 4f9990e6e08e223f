// Faults that a status line or a header tells, or lies about. U16 to U22, U27, U29.

import type { Answer } from '../answer.ts';
import { close, finish, write } from '../script.ts';
import type { Script } from '../script.ts';
import type { Form } from '../forms/form.ts';
import { head, jsonReply, jsonType, streamReply, withLength } from '../wire.ts';
import type { Headers } from '../wire.ts';
import { honestEvents, honestReply } from './fault.ts';
import type { Fault, FaultContext, FaultScript } from './fault.ts';

const retryDateAheadMs = 30_000;
const bombBytes = 80 * 1024 * 1024;
const html: Headers = [['content-type', 'text/html; charset=utf-8']];
const challenge =
  '<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>Checking your browser</body></html>';

/** An error as the protocol words it. */
type Words = (form: Form) => string;

const rateLimit: Words = (form) =>
  form.error(429, 'Rate limit reached for requests', 'requests', 'rate_limit_exceeded');
const noQuota: Words = (form) =>
  form.error(
    429,
    'You exceeded your current quota, please check your plan and billing details.',
    'insufficient_quota',
    'insufficient_quota',
  );
const failed = 'The server had an error while processing your request.';
const serverError: Words = (form) => form.error(500, failed, 'server_error', null);
const words =
  (status: number, message: string, type: string, code: string | number | null): Words =>
  (form) =>
    form.error(status, message, type, code);

const limited =
  (headers: (context: FaultContext) => Headers, body = rateLimit): FaultScript =>
  (context) =>
    jsonReply(429, body(context.answer.form), [...jsonType, ...headers(context)]);

const always =
  (status: number, body: string | Words, headers: Headers = jsonType): FaultScript =>
  ({ answer }) =>
    jsonReply(status, typeof body === 'string' ? body : body(answer.form), headers);

const stormStatuses = [500, 502, 503, 504, 520, 529] as const;
const storm: FaultScript = ({ answer, count }) =>
  jsonReply(stormStatuses[count % stormStatuses.length] ?? 500, serverError(answer.form));

const redirect = (status: number, location: string): FaultScript => always(status, '', [['location', location]]);

/** A head with this status line, then a body. */
function* oddStatus(statusLine: string, { form }: Answer): Script {
  const body = serverError(form);
  yield write(`${statusLine}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
  yield finish;
}

function contentOf(answer: Answer): Buffer<ArrayBuffer> {
  return Buffer.from(answer.stream ? [...honestEvents(answer)].join('') : answer.body());
}

function typeOf(answer: Answer): Headers {
  return answer.stream ? [['content-type', 'text/event-stream; charset=utf-8']] : jsonType;
}

/** Says gzip and sends these bytes, whatever they are. */
const saysGzip =
  (encode: (content: Buffer<ArrayBuffer>, answer: Answer) => Uint8Array, announce = true): FaultScript =>
  ({ answer }) =>
    (function* () {
      const bytes = encode(contentOf(answer), answer);
      const headers: Headers = [...typeOf(answer), ['content-encoding', 'gzip']];
      yield write(head(200, announce ? withLength(headers, bytes.length) : [...headers, ['connection', 'close']]));
      yield write(bytes);
      yield announce ? finish : close;
    })();

/**
 * A short reply that unpacks to more than any bound: blanks are legal before JSON, and as a comment in a
 * stream.
 */
function bomb(content: Buffer<ArrayBuffer>, answer: Answer): Uint8Array {
  const padding = Buffer.alloc(bombBytes, answer.stream ? ':' : ' ');
  return Bun.gzipSync(Buffer.concat([padding, Buffer.from('\n\n'), content]), { level: 1 });
}

function withType(type: Headers): FaultScript {
  return ({ answer }) =>
    answer.stream ? jsonReply(200, [...honestEvents(answer)].join(''), type) : jsonReply(200, answer.body(), type);
}

const flapping: FaultScript = ({ answer, count }) =>
  count % 2 === 0 ? jsonReply(503, serverError(answer.form)) : honestReply(answer);

export const statusFaults: readonly Fault[] = [
  {
    number: 16,
    title: '200 with an error body',
    usual: 'error',
    variants: {
      error: always(200, words(200, failed, 'server_error', null)),
      rate: always(200, words(200, 'Provider returned error', 'rate_limit_error', 429)),
      string: always(200, '{"error":"overloaded"}'),
      empty: always(200, ''),
      object: always(200, '{}'),
      stream: ({ answer }) =>
        streamReply([answer.form.errorEvent(failed), answer.done()], { delayMs: 0, firstMs: 0, gapMs: 0 }),
    },
  },
  {
    number: 17,
    title: '429 with and without Retry-After',
    usual: 'retry-after',
    variants: {
      'retry-after': limited(() => [['retry-after', '2']]),
      'retry-after-date': limited(({ clock }) => [
        ['retry-after', new Date(clock.now() + retryDateAheadMs).toUTCString()],
      ]),
      'retry-after-absurd': limited(() => [['retry-after', '99999999999']]),
      'retry-after-negative': limited(() => [['retry-after', '-5']]),
      'retry-after-garbage': limited(() => [['retry-after', 'soon']]),
      'retry-after-ms': limited(() => [['retry-after-ms', '1500']]),
      none: limited(() => []),
      quota: limited(() => [], noQuota),
    },
  },
  {
    number: 18,
    title: '5xx storm',
    usual: 'storm',
    variants: {
      storm,
      ...Object.fromEntries(
        [500, 501, 502, 503, 504, 520, 529].map((status) => [String(status), always(status, serverError)]),
      ),
      html: always(502, '<html><body><h1>502 Bad Gateway</h1></body></html>', html),
    },
  },
  {
    number: 19,
    title: '401, 402, 403: dead credential',
    usual: '401',
    variants: {
      '401': always(401, words(401, 'Incorrect API key provided.', 'invalid_request_error', 'invalid_api_key')),
      '402': always(402, words(402, 'Insufficient balance', 'billing_error', 'insufficient_balance')),
      '403': always(
        403,
        words(
          403,
          'Country, region, or territory not supported',
          'request_forbidden',
          'unsupported_country_region_territory',
        ),
      ),
    },
  },
  {
    number: 20,
    title: '3xx',
    usual: '302',
    variants: {
      '302': redirect(302, 'http://169.254.169.254/latest/meta-data/'),
      '301': redirect(301, 'https://redirected.invalid/v1/chat/completions'),
      '303': redirect(303, '/healthz'),
      '307': redirect(307, '/v1/chat/completions'),
      '308': redirect(308, 'file:///etc/passwd'),
      '304': () =>
        (function* () {
          yield write(head(304, [['etag', '"sim"']]));
          yield finish;
        })(),
    },
  },
  {
    number: 21,
    title: 'wrong content type',
    usual: 'html',
    variants: {
      html: always(200, challenge, html),
      challenge: always(403, challenge, html),
      plain: withType([['content-type', 'text/plain']]),
      none: withType([]),
    },
  },
  {
    number: 22,
    title: 'gzip truncated or lying',
    usual: 'truncated',
    variants: {
      truncated: saysGzip((content) => {
        const packed = Bun.gzipSync(content);
        return packed.subarray(0, packed.length >> 1);
      }, false),
      lying: saysGzip((content) => content),
      bomb: saysGzip(bomb),
      honest: saysGzip((content) => Bun.gzipSync(content)),
    },
  },
  {
    number: 27,
    title: 'flapping: every other request fails',
    usual: 'half',
    variants: { half: flapping },
  },
  {
    number: 29,
    title: 'status 0 or 999',
    usual: '999',
    variants: {
      '999': ({ answer }) => oddStatus('HTTP/1.1 999 Odd', answer),
      '0': ({ answer }) => oddStatus('HTTP/1.1 0 Zero', answer),
      '000': ({ answer }) => oddStatus('HTTP/1.1 000 Zero', answer),
      '99999': ({ answer }) => oddStatus('HTTP/1.1 99999 Long', answer),
      negative: ({ answer }) => oddStatus('HTTP/1.1 -1 Negative', answer),
    },
  },
];
