// Anthropic's `cache_control`, which several gateways take in chat, too.

import type { CacheMark, JsonObject } from '../plugin/conversation.ts';
import { isObject } from './json-fields.ts';

export function cacheOf(fields: JsonObject): CacheMark | undefined {
  const control = fields['cache_control'];
  return isObject(control) ? { lifetime: control['ttl'] === '1h' ? '1h' : '5m' } : undefined;
}
