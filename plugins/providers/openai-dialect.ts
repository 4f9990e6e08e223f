// Which words of effort OpenAI's models take, and when they take sampling, by their names. Sources: OpenAI, "Reasoning
// models" and the pages of the models; its refusals, which list the words; Vercel's package for OpenAI, which has both
// by model.

import type { Dialect } from 'tollgate/plugin';

type Efforts = Dialect['efforts'];

const numbered = /(?:^|[/:])gpt-(\d)(?:\.(\d+))?(?:-([a-z-]+?))?(?:-\d{4}-\d{2}-\d{2})?$/;
const series = /(?:^|[/:])o\d(?:-(?:mini|pro))?(?:-\d{4}-\d{2}-\d{2})?$/;
/** Only of these and of plain ones it is said what they take. */
const sizes = new Set(['mini', 'nano', 'sol', 'luna', 'terra', 'astra']);

/** Of the sixth these can be told not to think. */
const mayRest = /gpt-6(?:-(?:luna|sol)|\.1-terra)(?:-\d|$)/;

/** What is not known to differ takes every word, or refuses by itself. */
export function openAiDialect(model: string): Partial<Dialect> {
  if (series.test(model)) return { efforts: ['low', 'medium', 'high'], sampling: 'never' };
  const [, majorText, minorText = '0', variant] = numbered.exec(model) ?? [];
  const [major, minor] = [Number(majorText ?? 0), Number(minorText)];
  if (major < 5) return {};
  if (variant !== undefined && !sizes.has(variant)) return thinksAlways(minor, variant) ? { sampling: 'never' } : {};
  if (major > 5 && !mayRest.test(model))
    return { efforts: ['low', 'medium', 'high', 'xhigh', 'max'], sampling: 'never' };
  return { efforts: effortsOf(major, minor), sampling: samplingOf(major, minor) };
}

/** `gpt-5-chat-latest` does not think; its successors of that name do, as they see fit. */
const thinksAlways = (minor: number, variant: string): boolean =>
  /^(?:codex|pro)(?:-|$)/.test(variant) || (minor > 0 && variant.startsWith('chat'));

/** From 5.1 on they can be told not to think; until 5.4 they do not unless they are asked. */
function samplingOf(major: number, minor: number): Dialect['sampling'] {
  if (major > 5 || minor >= 5) return 'only-at-rest';
  return minor === 0 ? 'never' : 'unless-thinking';
}

function effortsOf(major: number, minor: number): Efforts {
  if (major > 5 || minor >= 6) return ['none', 'low', 'medium', 'high', 'xhigh', 'max'];
  if (minor >= 2) return ['none', 'low', 'medium', 'high', 'xhigh'];
  return minor === 1 ? ['none', 'low', 'medium', 'high'] : ['minimal', 'low', 'medium', 'high'];
}
