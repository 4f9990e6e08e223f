// What every vendor that speaks OpenAI's three protocols has in common: paths, credential header, usage,
// faults. A plugin is these settings under a name. The model stands in the body only, so no model name can
// reach a path.

import type {
  Dialect,
  Operation,
  ProtocolName,
  Provider,
  ProviderModel,
  StreamQuirks,
  UpstreamAddressing,
  UsagePart,
} from 'tollgate/plugin';
import { classifyOpenAi } from './openai-faults.ts';
import { readEmbeddingUsage, readGenerationUsage, readResponsesUsage } from './openai-usage.ts';
import type { UsageRules } from './openai-usage.ts';
import { checkHeaders, credentialHeader } from './provider-headers.ts';

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
  /** The protocols of the operation chat, best first. */
  readonly chat: readonly ('openai-chat' | 'openai-responses')[];
  readonly usage: UsageRules;
  /** How the vendor's models differ from the letter; undefined if in nothing. */
  readonly dialect?: (model: string, protocol: ProtocolName) => Partial<Dialect>;
  /** Sent with every call (Azure). */
  readonly query?: string;
  /** Where the vendor's paths are not OpenAI's; undefined for one that is. */
  readonly pathOf?: (protocol: ProtocolName, model: string) => string | undefined;
  /** Whether it keeps responses and gives them out again. Default: where it speaks responses. */
  readonly keepsReplies?: boolean;
  /** Sent with every call. */
  readonly headers: Readonly<Record<string, string>>;
  readonly models: readonly ProviderModel[];
}

const paths: Readonly<Partial<Record<ProtocolName, string>>> = {
  'openai-chat': '/chat/completions',
  'openai-responses': '/responses',
  'openai-completions': '/completions',
  'openai-embeddings': '/embeddings',
};

function partsOf(operation: Operation, usage: UsageRules): readonly UsagePart[] {
  switch (operation) {
    case 'embeddings':
      return ['input'];
    case 'chat':
    case 'completions':
      return [
        'input',
        'cacheRead',
        ...(usage.cacheWrites === true ? (['cacheWrite5m'] as const) : []),
        ...(usage.audio ? (['audioInput'] as const) : []),
        'output',
        'reasoning',
        ...(usage.audio ? (['audioOutput'] as const) : []),
      ];
  }
}

export function createOpenAiProvider(settings: OpenAiSettings): Provider {
  const fixedHeaders = checkHeaders(settings);
  const spoken: Readonly<Record<Operation, readonly ProtocolName[]>> = {
    chat: settings.chat,
    completions: ['openai-completions'],
    embeddings: ['openai-embeddings'],
  };
  const speaks: Partial<Record<Operation, readonly ProtocolName[]>> = {};
  for (const operation of settings.operations) speaks[operation] = spoken[operation];
  const { pathOf } = settings;
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
      const path = pathOf?.(call.protocol, call.model) ?? paths[call.protocol];
      if (path === undefined) throw new Error(`${call.protocol} is not spoken by this provider`);
      return { path, query: settings.query ?? '', headers };
    },
    ...(settings.dialect === undefined ? {} : { dialect: settings.dialect }),
    ...((settings.keepsReplies ?? settings.chat.includes('openai-responses'))
      ? { storedReplyPath: (id: string) => `/responses/${encodeURIComponent(id)}` }
      : {}),
    usage(raw, _operation, protocol) {
      if (protocol === 'openai-embeddings') return readEmbeddingUsage(raw);
      const read = protocol === 'openai-responses' ? readResponsesUsage : readGenerationUsage;
      return read(raw, settings.usage);
    },
    classify: classifyOpenAi,
    models: settings.models,
  };
}
