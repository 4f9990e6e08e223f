// What every vendor that speaks OpenAI's three protocols has in common: paths, credential header, usage,
// faults. A plugin is these settings under a name. The model stands in the body only, so no model name can
// reach a path.

import type {
  Operation,
  ProtocolName,
  Provider,
  ProviderModel,
  StreamQuirks,
  UpstreamAddressing,
  UsagePart,
} from 'tollgate/plugin';
import { classifyOpenAi } from './openai-faults.ts';
import { readEmbeddingUsage, readGenerationUsage } from './openai-usage.ts';
import type { UsageRules } from './openai-usage.ts';

export interface OpenAiSettings {
  readonly baseUrl: string | undefined;
  /**
   * `bearer`: `authorization: Bearer …`. Any other word is the name of a header that carries the bare
   * credential.
   */
  readonly auth: string;
  readonly needsCredential: boolean;
  readonly quirks: StreamQuirks;
  readonly onCancel: 'stops' | 'bills';
  readonly operations: readonly Operation[];
  readonly usage: UsageRules;
  /** Sent with every call. */
  readonly headers: Readonly<Record<string, string>>;
  readonly models: readonly ProviderModel[];
}

const served: Readonly<Record<Operation, { readonly protocol: ProtocolName; readonly path: string }>> = {
  chat: { protocol: 'openai-chat', path: '/chat/completions' },
  completions: { protocol: 'openai-completions', path: '/completions' },
  embeddings: { protocol: 'openai-embeddings', path: '/embeddings' },
};

/** Headers that the host owns. */
const hostHeaders = new Set([
  'host',
  'content-length',
  'content-type',
  'content-encoding',
  'accept-encoding',
  'connection',
  'keep-alive',
  'transfer-encoding',
  'te',
  'trailer',
  'upgrade',
  'expect',
  'proxy-connection',
]);
/** Headers that carry credentials: a secret written into options would be printed with them. */
const credentialHeaders = new Set([
  'authorization',
  'proxy-authorization',
  'cookie',
  'set-cookie',
  'api-key',
  'x-api-key',
  'x-goog-api-key',
  'x-auth-token',
  'x-access-token',
]);
const headerName = /^[a-z0-9][a-z0-9-]{0,63}$/;
/** Visible ASCII, with blanks inside: what every HTTP implementation passes unchanged. */
const headerValue = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;

function checkHeaders(settings: OpenAiSettings): readonly (readonly [string, string])[] {
  if (!headerName.test(settings.auth) || hostHeaders.has(settings.auth)) {
    throw new Error(
      `auth: "${settings.auth}" cannot carry a credential; use "bearer", "api-key" or a header of the vendor's`,
    );
  }
  return Object.entries(settings.headers).map(([name, value]) => {
    if (!headerName.test(name))
      throw new Error(`headers: "${name}" is no header name in lower case; write a-z, 0-9 and -`);
    if (hostHeaders.has(name)) throw new Error(`headers.${name}: this header belongs to the gateway; leave it out`);
    if (credentialHeaders.has(name) || name === settings.auth) {
      throw new Error(`headers.${name}: credentials are named in the upstream, never written here`);
    }
    if (!headerValue.test(value)) throw new Error(`headers.${name}: only visible ASCII, not empty, no line breaks`);
    return [name, value] as const;
  });
}

function credentialHeader(auth: string, credential: string): readonly [string, string] {
  // No part of the credential may show in the message: it goes to the log.
  if (!headerValue.test(credential)) throw new Error('the credential holds characters that no header can carry');
  return auth === 'bearer' ? ['authorization', `Bearer ${credential}`] : [auth, credential];
}

function partsOf(operation: Operation, usage: UsageRules): readonly UsagePart[] {
  switch (operation) {
    case 'embeddings':
      return ['input'];
    case 'chat':
    case 'completions':
      return usage.audio
        ? ['input', 'cacheRead', 'audioInput', 'output', 'reasoning', 'audioOutput']
        : ['input', 'cacheRead', 'output', 'reasoning'];
  }
}

export function createOpenAiProvider(settings: OpenAiSettings): Provider {
  const fixedHeaders = checkHeaders(settings);
  const speaks: Partial<Record<Operation, readonly ProtocolName[]>> = {};
  for (const operation of settings.operations) speaks[operation] = [served[operation].protocol];
  return {
    speaks,
    ...(settings.baseUrl === undefined ? {} : { defaultBaseUrl: settings.baseUrl }),
    needsCredential: settings.needsCredential,
    quirks: settings.quirks,
    onCancel: settings.onCancel,
    parts: (operation) => partsOf(operation, settings.usage),
    address(call, credential): UpstreamAddressing {
      const headers =
        credential === undefined ? fixedHeaders : [...fixedHeaders, credentialHeader(settings.auth, credential)];
      return { path: served[call.operation].path, query: '', headers };
    },
    usage: (raw, operation) =>
      operation === 'embeddings' ? readEmbeddingUsage(raw) : readGenerationUsage(raw, settings.usage),
    classify: classifyOpenAi,
    models: settings.models,
  };
}
