// meter: what a reply consumed, in disjoint parts, within what is physically possible. The upstream's own block
// decides; where it is missing or not to be believed, the produced bytes do, and the record says so.

import type { Model, Offer } from '../domain/catalog/catalog.ts';
import type { ProtocolName } from '../plugin/operations.ts';
import { parentPart, usageParts } from '../plugin/usage.ts';
import type { UsagePart, UsageParts, UsageReading, UsageSource } from '../plugin/usage.ts';
import type { ReplyReading } from '../plugin/protocol.ts';
import type { Reserved } from './exchange.ts';
import { passageOf } from './passage.ts';

export interface Metered {
  readonly usage: UsageParts;
  readonly source: UsageSource;
  readonly flags: readonly string[];
  /** The upstream's block was missing where it is owed, or not to be believed: the upstream is marked down for it. */
  readonly suspicious: boolean;
}

/** Bytes of text in a token, for estimates: a quarter of the bytes, rounded up. */
const BYTES_PER_TOKEN = 4;
/**
 * A reported output this many times below the delivered bytes cannot be true: no tokenizer averages 64 bytes a token.
 */
const IMPLAUSIBLE_BYTES_PER_TOKEN = 64;

const inputParts = ['input', 'cacheRead', 'cacheWrite5m', 'cacheWrite1h', 'imageInput', 'audioInput'] as const;
const outputParts = ['output', 'reasoning', 'imageOutput', 'audioOutput'] as const;
const distrusted: ReadonlySet<string> = new Set([
  'negative',
  'not-an-integer',
  'too-large',
  'input-missing',
  'output-missing',
]);

export function meter(request: Reserved, offer: Offer, reading: ReplyReading): Metered {
  const { operation } = request.protocol;
  const { provider } = offer.upstream;
  const read =
    reading.usage === undefined ? undefined : provider.usage(reading.usage, operation, spokenTo(request, offer));
  const stated = read === undefined || isSound(read.parts) ? read : soundOnly(read);
  const produced = estimatedOutput(request, reading);
  if (stated === undefined) {
    return { usage: estimate(request, produced), source: 'estimated', flags: ['usage-missing'], suspicious: true };
  }
  const flags = [...stated.flags];
  const output = total(stated.parts, outputParts);
  const underReported = produced > 0 && output * IMPLAUSIBLE_BYTES_PER_TOKEN < reading.contentBytes;
  if (isDistrusted(stated.flags) || underReported) {
    if (underReported) flags.push('usage-diverges');
    return {
      usage: atLeast(estimate(request, produced), stated, request, flags),
      source: 'estimated',
      flags,
      suspicious: true,
    };
  }
  const usage = withinBounds(fold(stated.parts, request, flags), request, flags);
  return { usage, source: 'upstream', flags, suspicious: flags.includes('clamped') };
}

/** The protocol in which the upstream counts. */
const spokenTo = ({ protocol }: Reserved, offer: Offer): ProtocolName =>
  (passageOf(offer, protocol)?.protocol ?? protocol).name;

/** Whether every part is a quantity: a provider is only as careful as its author, and records are for ever. */
function isSound(parts: UsageParts): boolean {
  for (const part of usageParts) if (!isQuantity(parts[part] ?? 0)) return false;
  return true;
}

const isQuantity = (quantity: unknown): boolean => Number.isSafeInteger(quantity) && Number(quantity) >= 0;

/** Without the parts that are no quantities. Its flags make the block one that is not to be believed. */
function soundOnly({ parts, flags }: UsageReading): UsageReading {
  const sound: Partial<Record<UsagePart, number>> = {};
  for (const part of usageParts) {
    const quantity = parts[part] ?? 0;
    if (isQuantity(quantity)) sound[part] = quantity;
  }
  return { parts: sound, flags: [...flags, 'not-an-integer'] };
}

/** Input by the body's bytes, output by the produced ones; both capped by the model. */
export function estimate(request: Reserved, produced: number): UsageParts {
  const input = Math.min(Math.ceil(request.body.byteLength / BYTES_PER_TOKEN), request.model.contextTokens);
  return produced === 0 ? { input } : { input, output: produced };
}

/**
 * A quarter of the content's bytes, rounded up; in a stream whose events hold a token each no more than these, and
 * never more than the model can.
 */
export function estimatedOutput(request: Reserved, reading: ReplyReading): number {
  const byBytes = Math.ceil(reading.contentBytes / BYTES_PER_TOKEN);
  const oneEach = request.facts.stream && reading.manyTokensAnEvent !== true;
  const produced = oneEach ? Math.min(byBytes, reading.contentEvents) : byBytes;
  return Math.min(produced, outputMax(request.model, request));
}

const outputMax = (model: Model, request: Reserved) => model.outputTokensMax * request.facts.choices;

function isDistrusted(flags: readonly string[]): boolean {
  for (const flag of flags) if (distrusted.has(flag)) return true;
  return false;
}

function total(parts: UsageParts, which: readonly UsagePart[]): number {
  let sum = 0;
  for (const part of which) sum += parts[part] ?? 0;
  return sum;
}

/** What could be read of a block that is not to be believed still counts where it says more, within the bounds. */
function atLeast(estimated: UsageParts, stated: UsageReading, request: Reserved, flags: string[]): UsageParts {
  const within = withinBounds(
    { input: total(stated.parts, inputParts), output: total(stated.parts, outputParts) },
    request,
    flags,
  );
  return {
    input: Math.max(estimated.input ?? 0, within.input ?? 0),
    output: Math.max(estimated.output ?? 0, within.output ?? 0),
  };
}

/** A part that the price does not know goes into its parent, and the record says so. Nothing reported becomes free. */
function fold(parts: UsageParts, request: Reserved, flags: string[]): UsageParts {
  const { rates } = request.terms;
  const folded: Partial<Record<UsagePart, number>> = {};
  for (const part of usageParts) {
    const quantity = parts[part] ?? 0;
    if (quantity === 0) continue;
    const parent = parentPart[part];
    const stays = rates[part] !== undefined || part === 'reasoning' || parent === undefined;
    const target = stays ? part : parent;
    if (!stays) flags.push(`folded:${part}`);
    folded[target] = (folded[target] ?? 0) + quantity;
  }
  return folded;
}

/** Input within the model's context, output within its limit times the choices: more than that nobody can produce. */
function withinBounds(parts: UsageParts, request: Reserved, flags: string[]): UsageParts {
  const inputTotal = total(parts, inputParts);
  const outputTotal = total(parts, outputParts);
  const inputLimit = request.model.contextTokens;
  const outputLimit = outputMax(request.model, request);
  if (inputTotal <= inputLimit && outputTotal <= outputLimit) return parts;
  flags.push('clamped');
  const clamped: Partial<Record<UsagePart, number>> = { ...parts };
  cut(clamped, inputParts, inputTotal - inputLimit);
  cut(clamped, outputParts, outputTotal - outputLimit);
  return clamped;
}

function cut(parts: Partial<Record<UsagePart, number>>, which: readonly UsagePart[], surplus: number): void {
  let left = surplus;
  for (const part of which) {
    if (left <= 0) return;
    const quantity = parts[part] ?? 0;
    const taken = Math.min(quantity, left);
    if (taken > 0) parts[part] = quantity - taken;
    left -= taken;
  }
}
