// The provider of each vendor that the recordings are from, as a config makes it. Whoever reads recordings reads them
// with these, so that what is told of a vendor is told by its own provider.

import type { PluginEntry } from '../../src/plugin/index.ts';
import * as plugins from '../../plugins/index.ts';

/** Vendors whose recordings are of a protocol that is spoken here. */
const providers: Readonly<Record<string, PluginEntry<'provider'>>> = {
  alibaba: plugins.alibaba(),
  anthropic: plugins.anthropic(),
  avian: plugins.avian(),
  azure: plugins.azureOpenAi(),
  bedrock: plugins.bedrockOpenAi(),
  cerebras: plugins.cerebras(),
  crusoe: plugins.crusoe(),
  deepseek: plugins.deepSeek(),
  gemini: plugins.gemini(),
  gpustack: plugins.gpuStack(),
  groq: plugins.groq(),
  huggingface: plugins.huggingFace(),
  lmstudio: plugins.lmStudio(),
  mistral: plugins.mistral(),
  moonshot: plugins.moonshot(),
  ollama: plugins.ollama(),
  'ollama-cloud': plugins.ollamaCloud(),
  openai: plugins.openAi(),
  openrouter: plugins.openRouter(),
  perplexity: plugins.perplexity(),
  snowflake: plugins.snowflake(),
  together: plugins.together(),
  'vercel-gateway': plugins.vercelGateway(),
  vertex: plugins.gemini(),
  voyage: plugins.voyage(),
  xai: plugins.xAi(),
  zai: plugins.zAi(),
};

/** Undefined for a vendor that has none. */
export function providerOf(vendor: string, protocol: string): PluginEntry<'provider'> | undefined {
  // Google has two surfaces, with an address each.
  return vendor === 'gemini' && protocol === 'openai-chat' ? plugins.geminiOpenAi() : providers[vendor];
}
