// What the mock upstream says, byte for byte: OpenAI's shapes with a nonce inside, so that a driver can prove that
// each reply belongs to its request. ASCII only: characters are bytes.

/** How one request wants to be answered; it travels inside the message text: `[#<nonce>:c50-d20]`. */
export interface Script {
  readonly nonce: string;
  /** c: content chunks of a stream. */
  readonly chunks: number;
  /** d: milliseconds between chunks; 0 is the next turn of the loop. */
  readonly delayMs: number;
  /** l: milliseconds before the first byte. */
  readonly firstDelayMs: number;
  /** r: chunks in one write. */
  readonly chunksPerWrite: number;
  /** e: answer with this status instead. */
  readonly errorStatus: number;
}

export const NONCE_LENGTH = 16;
export const PROMPT_TOKENS = 57;
export const REPLY_TOKENS = 41;
export const REPLY_END = 'what a proxy costs. ';

const replyText =
  'Loopback is a virtual interface through which a host talks to itself. Traffic sent to it never leaves the ' +
  `machine, which makes it the right place to measure ${REPLY_END}`;

const commonHeaders =
  'openai-processing-ms: 12\r\nopenai-version: 2020-10-01\r\nopenai-organization: org-mock\r\n' +
  'x-request-id: req_0123456789abcdef0123456789abcdef\r\n' +
  'x-ratelimit-limit-requests: 10000\r\nx-ratelimit-remaining-requests: 9999\r\n';

export function jsonReply(status: string, body: string): string {
  const head = `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\n${commonHeaders}`;
  return `${head}content-length: ${body.length}\r\n\r\n${body}`;
}

export const streamHead =
  `HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n${commonHeaders}` +
  'transfer-encoding: chunked\r\n\r\n';

export const chatReply = ({ nonce }: Script, model: string): string =>
  jsonReply(
    '200 OK',
    `{"id":"chatcmpl-${nonce}","object":"chat.completion","created":1790000000,"model":"${model}","choices":[` +
      `{"index":0,"message":{"role":"assistant","content":"${nonce} ${replyText}","refusal":null},"logprobs":null,` +
      `"finish_reason":"stop"}],"usage":{"prompt_tokens":${PROMPT_TOKENS},"completion_tokens":${REPLY_TOKENS},` +
      `"total_tokens":${PROMPT_TOKENS + REPLY_TOKENS},"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},` +
      '"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0}},"service_tier":"default",' +
      '"system_fingerprint":"fp_mock"}',
  );

const embedding = Array.from({ length: 256 }, (_, at) => (((at * 37) % 1000) / 1000 - 0.5).toFixed(6)).join(',');

export const embeddingReply = jsonReply(
  '200 OK',
  `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[${embedding}]}],` +
    '"model":"mock-embed","usage":{"prompt_tokens":8,"total_tokens":8}}',
);

export const modelsReply = jsonReply(
  '200 OK',
  '{"object":"list","data":[{"id":"gpt-4o-mini","object":"model","created":1,"owned_by":"mock"}]}',
);

/**
 * One event of a stream. The last one carries the finish, the usage (if asked for) and the terminal event; all others
 * then say that they have none, as OpenAI's do.
 */
export function streamEvent(script: Script, model: string, at: number, withUsage: boolean): string {
  const open =
    `data: {"id":"chatcmpl-${script.nonce}","object":"chat.completion.chunk","created":1790000000,` +
    `"model":"${model}","service_tier":"default","system_fingerprint":"fp_mock","choices":[`;
  const noUsage = withUsage ? ',"usage":null' : '';
  if (at < script.chunks) {
    const delta = at === 0 ? `"role":"assistant","content":"${script.nonce} "` : `"content":" tok${at}"`;
    return `${open}{"index":0,"delta":{${delta}},"logprobs":null,"finish_reason":null}]${noUsage}}\n\n`;
  }
  const finish = `${open}{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]${noUsage}}\n\n`;
  const usage =
    `${open}],"usage":{"prompt_tokens":${PROMPT_TOKENS},"completion_tokens":${script.chunks},` +
    `"total_tokens":${PROMPT_TOKENS + script.chunks}}}\n\n`;
  return `${finish}${withUsage ? usage : ''}data: [DONE]\n\n`;
}

/** A run uses few scripts and many nonces. */
const scriptsRead = new Map<string, Omit<Script, 'nonce'>>();

function readWords(words: string): Omit<Script, 'nonce'> {
  const number = (letter: string, otherwise: number): number => {
    const found = new RegExp(`[:-]${letter}(\\d+)`).exec(words)?.[1];
    return found === undefined ? otherwise : Number(found);
  };
  return {
    chunks: number('c', 50),
    delayMs: number('d', 0),
    firstDelayMs: number('l', 0),
    chunksPerWrite: Math.max(1, number('r', 1)),
    errorStatus: number('e', 0),
  };
}

export function readScript(body: string): Script {
  const at = body.indexOf('[#');
  const words = at < 0 ? '' : body.slice(at + 2 + NONCE_LENGTH, body.indexOf(']', at));
  let script = scriptsRead.get(words);
  if (script === undefined) scriptsRead.set(words, (script = readWords(words)));
  return { nonce: at < 0 ? '0'.repeat(NONCE_LENGTH) : body.slice(at + 2, at + 2 + NONCE_LENGTH), ...script };
}
