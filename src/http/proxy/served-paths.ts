// The calls that the pipeline serves, by path: which protocol is spoken there, and what the path says. The routes
// are made from this, and so is the short way that the server takes without the router: a test holds that both answer
// alike.

import { plainLine } from '../../plugin/protocol.ts';
import type { Protocol, RequestLine } from '../../plugin/protocol.ts';
import { protocolOf } from '../../protocols/protocols.ts';

/** Some clients put their own prefix before /v1: groq-sdk asks /openai/v1. */
export const prefixes = ['/v1', '/openai/v1'] as const;

/** A POST that is served. `count`: its input tokens are asked for, and nothing is generated. */
export interface ServedCall {
  readonly protocol: Protocol;
  readonly line: RequestLine;
  readonly does: 'generate' | 'count';
}

const generates = (protocol: Protocol): ServedCall => ({ protocol, line: plainLine, does: 'generate' });

/** Paths that say nothing of the call but its protocol. */
export const fixedPaths: ReadonlyMap<string, ServedCall> = new Map([
  ...prefixes.flatMap((prefix): [string, ServedCall][] => [
    [`${prefix}/chat/completions`, generates(protocolOf('openai-chat'))],
    [`${prefix}/responses`, generates(protocolOf('openai-responses'))],
    [`${prefix}/completions`, generates(protocolOf('openai-completions'))],
    [`${prefix}/embeddings`, generates(protocolOf('openai-embeddings'))],
  ]),
  // Azure's client asks it beside the deployments, with the model in the body.
  ['/openai/responses', generates(protocolOf('openai-responses'))],
  ['/v1/messages', generates(protocolOf('anthropic-messages'))],
  ['/v1/messages/count_tokens', { ...generates(protocolOf('anthropic-messages')), does: 'count' }],
]);

/** Azure's form: the deployment in the path is the model. */
const deploymentPath = /^\/openai\/deployments\/([^/]+)\/(chat\/completions|completions|embeddings)$/;
/** Gemini's form. `@google/genai` 3 asks under /v1, older ones under /v1beta; names of models may have slashes. */
const verbPath = /^\/v1(?:beta)?\/models\/(.+):([A-Za-z]+)$/;

/** The call that a POST to this path is; undefined where there is none. `query` without its question mark. */
export function servedCall(path: string, query: string): ServedCall | undefined {
  const fixed = fixedPaths.get(path);
  if (fixed !== undefined) return fixed;
  if (path.startsWith('/openai/deployments/')) return deploymentCall(path);
  return path.startsWith('/v1beta/models/') || path.startsWith('/v1/models/') ? verbCall(path, query) : undefined;
}

function deploymentCall(path: string): ServedCall | undefined {
  const [, deployment, operation] = deploymentPath.exec(path) ?? [];
  if (deployment === undefined || operation === undefined) return undefined;
  const fixed = fixedPaths.get(`/v1/${operation}`);
  return fixed && { ...fixed, line: { ...plainLine, model: decoded(deployment) } };
}

function verbCall(path: string, query: string): ServedCall | undefined {
  const [, name, verb] = verbPath.exec(path) ?? [];
  if (name === undefined) return undefined;
  const protocol = protocolOf('gemini-generate');
  const model = decoded(name);
  switch (verb) {
    case 'generateContent':
      return { protocol, line: { model, stream: false, framing: 'sse' }, does: 'generate' };
    case 'streamGenerateContent': {
      const framing = new URLSearchParams(query).get('alt') === 'sse' ? 'sse' : 'json-array';
      return { protocol, line: { model, stream: true, framing }, does: 'generate' };
    }
    case 'countTokens':
      return { protocol, line: { model, stream: false, framing: 'sse' }, does: 'count' };
    default:
      return undefined;
  }
}

/** Model names may have slashes, which clients escape or not. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The protocol in whose form a refusal is read at a path that is not served, or was not reached. */
export function protocolAt(path: string, headers: Headers): Protocol {
  if (path.startsWith('/v1beta/') || speaksGemini(headers)) return protocolOf('gemini-generate');
  if (path.startsWith('/v1/messages') || headers.has('anthropic-version')) return protocolOf('anthropic-messages');
  return protocolOf(/\/responses(?:\/|$)/.test(path) ? 'openai-responses' : 'openai-chat');
}

/** `GET /v1/models` is asked by clients of three protocols, who want three answers: their headers tell them apart. */
export const speaksGemini = (headers: Headers): boolean =>
  headers.has('x-goog-api-key') || headers.has('x-goog-api-client');
