// Which words of effort OpenAI's models take, by their names. Sources: OpenAI, "Reasoning models" and the pages of the
// models; its refusals, which list the words; Vercel's package for OpenAI, which has them by model.

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
  if (series.test(model)) return { efforts: ['low', 'medium', 'high'] };
  const [, major, minor = '0', variant] = numbered.exec(model) ?? [];
  if (major === undefined || Number(major) < 5) return {};
  if (variant !== undefined && !sizes.has(variant)) return {};
  if (Number(major) > 5 && !mayRest.test(model)) return { efforts: ['low', 'medium', 'high', 'xhigh', 'max'] };
  return { efforts: effortsOf(Number(major), Number(minor)) };
}

function effortsOf(major: number, minor: number): Efforts {
  if (major > 5 || minor >= 6) return ['none', 'low', 'medium', 'high', 'xhigh', 'max'];
  if (minor >= 2) return ['none', 'low', 'medium', 'high', 'xhigh'];
  return minor === 1 ? ['none', 'low', 'medium', 'high'] : ['minimal', 'low', 'medium', 'high'];
}
