// Which words of effort OpenAI's models take, and when they take sampling, by their names. Sources: OpenAI, "Reasoning
// models" and the pages of the models; its refusals, which list the words; Vercel's package for OpenAI, which has both
// by model.

import type { Dialect } from 'tollgate/plugin';

type Efforts = Dialect['efforts'];

const numbered = /(?:^|[/:])gpt-(\d)(?:\.(\d+))?(?:-([a-z-]+?))?(?:-\d{4}-\d{2}-\d{2})?$/;
const series = /(?:^|[/:])o\d(?:-(?:mini|pro|deep-research|mini-deep-research))?(?:-\d{4}-\d{2}-\d{2})?$/;
/** They do not think, and refuse to be told anything of it. */
const thoughtless = /(?:^|[/:])(?:chatgpt-4o|gpt-(?:3\.5|4|4o|4\.1|4\.5)|gpt-5-chat)(?:-|$)/;
/** Only of these and of plain ones it is said what they take. */
const sizes = new Set(['mini', 'nano', 'sol', 'luna', 'terra', 'astra']);

/** Of the sixth these can be told not to think. */
const mayRest = /gpt-6(?:-(?:luna|sol)|\.1-terra)(?:-\d|$)/;

/** All of them want plain objects at the root of a schema. */
export const openAiDialect = (model: string): Partial<Dialect> => ({ objectRoots: true, ...modelDialect(model) });

/** What is not known to differ takes every word, or refuses by itself. */
function modelDialect(model: string): Partial<Dialect> {
  if (thoughtless.test(model)) return { thinking: 'none', efforts: ['none'] };
  if (series.test(model)) return { efforts: ['low', 'medium', 'high'], sampling: 'never' };
  const [, majorText, minorText = '0', variant] = numbered.exec(model) ?? [];
  const [major, minor] = [Number(majorText ?? 0), Number(minorText)];
  if (major < 5) return {};
  if (variant !== undefined && !sizes.has(variant)) return variantDialect(minor, variant);
  if (major > 5 && !mayRest.test(model))
    return { efforts: ['low', 'medium', 'high', 'xhigh', 'max'], sampling: 'never' };
  return { efforts: effortsOf(major, minor), sampling: samplingOf(major, minor) };
}

/** By OpenAI's refusals, which list what each takes. All of these think. */
function variantDialect(minor: number, variant: string): Partial<Dialect> {
  if (variant.startsWith('chat')) return { efforts: ['medium'], sampling: 'never' };
  if (variant.startsWith('pro'))
    return { efforts: minor === 0 ? ['high'] : ['medium', 'high', 'xhigh'], sampling: 'never' };
  if (!variant.startsWith('codex')) return {};
  const more: Efforts = minor >= 2 || variant.startsWith('codex-max') ? ['xhigh'] : [];
  return { efforts: ['low', 'medium', 'high', ...more], sampling: 'never' };
}

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
