// The text of a usage block for the usage record, where it was not kept as the upstream wrote it.

import type { JsonValue } from '../../plugin/conversation.ts';

const usageTextLength = 4 * 1024;

export const usageTextOf = (usage: JsonValue): string => JSON.stringify(usage).slice(0, usageTextLength);
