// Vendors and servers that speak OpenAI's protocols with ways of their own, each a provider made of settings alone.
// What stands here was seen in replies of theirs, or is in their documentation; a vendor that is not here is
// `openAiCompatible` with options.

import { Type, defineProvider } from 'tollgate/plugin';
import type { Dialect, Operation, ProtocolName } from 'tollgate/plugin';
import { baseUrlOption, cacheWritesOption, headersOption } from './address-options.ts';
import { dialectsOption, withDialects } from './dialect-option.ts';
import { createOpenAiProvider } from './openai-protocols.ts';
import type { OpenAiSettings } from './openai-protocols.ts';
import type { UsageRules } from './openai-usage.ts';

interface Vendor {
  /** Undefined: each upstream has an address of its own. */
  readonly baseUrl?: string;
  readonly needsCredential?: boolean;
  readonly operations?: readonly Operation[];
  readonly chat?: OpenAiSettings['chat'];
  readonly pathOf?: OpenAiSettings['pathOf'];
  readonly keepsReplies?: boolean;
  readonly quirks?: Partial<OpenAiSettings['quirks']>;
  readonly usage?: Partial<UsageRules>;
  /** Of its chat. */
  readonly dialect?: Partial<Dialect>;
  /** Of one model, whatever it is asked in. */
  readonly dialectOf?: (model: string) => Partial<Dialect>;
}

const options = Type.Object(
  {
    baseUrl: baseUrlOption('Base URL for upstreams that name none. Default: the vendor.'),
    headers: headersOption,
    cacheWrites: cacheWritesOption,
    dialects: dialectsOption,
  },
  { additionalProperties: false },
);

/** Most who are not OpenAI know neither the role `developer` nor the newer name of the limit. */
const older: Partial<Dialect> = { developerRole: false, tokenLimit: 'max_tokens' };

function vendor(name: string, summary: string, own: Vendor) {
  const dialect = own.dialect ?? older;
  const dialectOf = (model: string, spoken: ProtocolName) => ({
    ...(spoken === 'openai-chat' ? dialect : {}),
    ...own.dialectOf?.(model),
  });
  return defineProvider({
    name,
    version: '1.0.0',
    summary: `${summary}, in OpenAI's protocols`,
    options,
    create: (chosen) =>
      createOpenAiProvider({
        baseUrl: chosen.baseUrl ?? own.baseUrl,
        auth: 'bearer',
        needsCredential: own.needsCredential ?? true,
        quirks: { usage: 'on-request', end: 'done', ...own.quirks },
        onCancel: 'stops',
        operations: own.operations ?? ['chat'],
        chat: own.chat ?? ['openai-chat'],
        ...(own.pathOf === undefined ? {} : { pathOf: own.pathOf }),
        ...(own.keepsReplies === undefined ? {} : { keepsReplies: own.keepsReplies }),
        usage: { reasoning: 'within', audio: false, cacheWrites: chosen.cacheWrites ?? false, ...own.usage },
        dialect: withDialects(dialectOf, chosen.dialects),
        headers: chosen.headers ?? {},
        models: [],
      }),
  });
}

/** As xAI's page on reasoning has it, its refusals, and Vercel's package for xAI. Older ones think as they see fit. */
function grokDialect(model: string): Partial<Dialect> {
  if (model.includes('grok-4.3')) return { efforts: ['none', 'low', 'medium', 'high'] };
  if (model.includes('grok-4.5')) return { efforts: ['low', 'medium', 'high'] };
  if (/grok-4\.(?:6|20-multi-agent)/.test(model)) return { efforts: ['low', 'medium', 'high', 'xhigh'] };
  if (model.includes('grok-3-mini')) return { efforts: ['low', 'high'] };
  return /grok-(?:2|3|4(?:-|$)|4\.20|code)/.test(model) ? { thinking: 'none' } : {};
}

/** Groq, of Qwen: "reasoning_effort must be one of none or default". Others but OpenAI's do not think. */
function groqDialect(model: string): Partial<Dialect> {
  if (model.includes('gpt-oss')) return { efforts: ['low', 'medium', 'high'] };
  return model.includes('qwen') ? { efforts: ['none'] } : { thinking: 'none', efforts: ['none'] };
}

/** Its chat leaves reasoning out of the completion; its responses do not. */
export const xAi = vendor('xai', 'xAI', {
  baseUrl: 'https://api.x.ai/v1',
  chat: ['openai-chat', 'openai-responses'],
  usage: { reasoning: 'beside' },
  dialect: { tokenLimit: 'max_completion_tokens', developerRole: false },
  dialectOf: grokDialect,
});

/**
 * Thinking goes back with the tool calls that it led to, or the next turn is refused. Its responses, which it does not
 * keep, are at the address without a version.
 */
export const deepSeek = vendor('deepseek', 'DeepSeek', {
  baseUrl: 'https://api.deepseek.com',
  chat: ['openai-chat', 'openai-responses'],
  keepsReplies: false,
  dialect: { ...older, reasoningField: 'reasoning_content', thinking: 'none', strictSchemas: false },
});

/** Refuses `stream_options`, reports usage unasked, and takes ids of nine letters and digits. */
export const mistral = vendor('mistral', 'Mistral', {
  baseUrl: 'https://api.mistral.ai/v1',
  operations: ['chat', 'embeddings'],
  quirks: { usage: 'always' },
  usage: { audioInput: 'beside' },
  // "Unexpected role 'user' after role 'tool'".
  dialect: { ...older, toolIds: 'nine-alphanumeric', userAfterResult: false, thinking: 'none' },
});

export const groq = vendor('groq', 'Groq', {
  baseUrl: 'https://api.groq.com/openai/v1',
  dialect: { developerRole: false, tokenLimit: 'max_completion_tokens' },
  dialectOf: groqDialect,
});

export const openRouter = vendor('openrouter', 'OpenRouter', {
  baseUrl: 'https://openrouter.ai/api/v1',
  chat: ['openai-chat', 'openai-responses'],
  keepsReplies: false,
  dialect: { ...older, reasoningField: 'reasoning' },
});

export const together = vendor('together', 'Together', {
  baseUrl: 'https://api.together.xyz/v1',
  operations: ['chat', 'completions', 'embeddings'],
  dialect: { ...older, strictSchemas: false },
});

export const cerebras = vendor('cerebras', 'Cerebras', {
  baseUrl: 'https://api.cerebras.ai/v1',
  operations: ['chat', 'completions'],
  dialect: { developerRole: false, tokenLimit: 'max_completion_tokens' },
});

/** Reports usage unasked, and its streams just end. Of its paths one has a version. */
export const perplexity = vendor('perplexity', 'Perplexity', {
  baseUrl: 'https://api.perplexity.ai',
  operations: ['chat', 'embeddings'],
  quirks: { usage: 'always', end: 'finish-reason' },
  pathOf: (protocol) => (protocol === 'openai-embeddings' ? '/v1/embeddings' : undefined),
});

export const moonshot = vendor('moonshot', 'Moonshot', {
  baseUrl: 'https://api.moonshot.ai/v1',
  dialect: { ...older, reasoningField: 'reasoning_content', thinking: 'none' },
});

export const zAi = vendor('zai', 'Z.ai', {
  baseUrl: 'https://api.z.ai/api/paas/v4',
  dialect: { ...older, reasoningField: 'reasoning_content', thinking: 'none', strictSchemas: false },
});

export const alibaba = vendor('alibaba', 'Alibaba Model Studio', {
  baseUrl: 'https://dashscope-intl.aliyuncs.com/compatible-mode/v1',
  operations: ['chat', 'embeddings'],
  dialect: { ...older, thinking: 'none' },
});

export const huggingFace = vendor('huggingface', 'Hugging Face router', {
  baseUrl: 'https://router.huggingface.co/v1',
});

export const vercelGateway = vendor('vercel-gateway', 'Vercel AI Gateway', {
  baseUrl: 'https://ai-gateway.vercel.sh/v1',
  operations: ['chat', 'embeddings'],
});

export const avian = vendor('avian', 'Avian', { baseUrl: 'https://api.avian.io/v1' });

export const crusoe = vendor('crusoe', 'Crusoe', {
  baseUrl: 'https://managed-inference-api-proxy.crusoecloud.com/v1',
});

/** Google's own endpoint in OpenAI's form: what was thought shows in the total alone. */
export const geminiOpenAi = vendor('gemini-openai', "Google's Gemini", {
  baseUrl: 'https://generativelanguage.googleapis.com/v1beta/openai',
  operations: ['chat', 'embeddings'],
  usage: { hiddenThinking: true },
  dialect: { ...older, efforts: ['none', 'minimal', 'low', 'medium', 'high'] },
});

/** Servers on one's own machine. */
export const ollama = vendor('ollama', 'Ollama on a machine of your own', {
  baseUrl: 'http://127.0.0.1:11434/v1',
  needsCredential: false,
  operations: ['chat', 'completions', 'embeddings'],
});

export const ollamaCloud = vendor('ollama-cloud', "Ollama's cloud", { baseUrl: 'https://ollama.com/v1' });

export const lmStudio = vendor('lmstudio', 'LM Studio on a machine of your own', {
  baseUrl: 'http://127.0.0.1:1234/v1',
  needsCredential: false,
  operations: ['chat', 'completions', 'embeddings'],
  chat: ['openai-chat', 'openai-responses'],
});

/** Each installation, and each account, has an address of its own. */
export const gpuStack = vendor('gpustack', 'GPUStack', {
  operations: ['chat', 'completions', 'embeddings'],
  // As the servers behind it do.
  quirks: { end: 'finish-reason' },
});
export const snowflake = vendor('snowflake', 'Snowflake Cortex', {});

/** OpenAI's models on AWS, with a key of Bedrock's; the address has the region in it. */
export const bedrockOpenAi = vendor('bedrock-openai', "Amazon Bedrock's OpenAI models", {
  chat: ['openai-responses', 'openai-chat'],
  dialect: {},
});

export const voyage = vendor('voyage', 'Voyage', {
  baseUrl: 'https://api.voyageai.com/v1',
  operations: ['embeddings'],
});
