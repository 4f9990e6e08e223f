// Plugins that Tollgate did not bring along, behind a check of all that they answer: what is wrong in form, out of
// bounds or at odds with itself is a throw, which the pipeline turns into a refusal or a fault. What they declared when
// they were made stays so, and what they are handed cannot be changed by them.

import { checkedNano } from '../core/money.ts';
import { totalOf, type BillingRule, type Charge, type ChargeLine } from '../plugin/billing.ts';
import type { Dialect } from '../plugin/codec.ts';
import type { PluginKind, PluginOf } from '../plugin/define.ts';
import type { CompliancePolicy, Decision, PolicyFacts } from '../plugin/policy.ts';
import type { PriceTerms } from '../plugin/prices.ts';
import type { FaultClass, Provider, UpstreamAddressing } from '../plugin/provider.ts';
import type { RoutingStrategy, UpstreamView } from '../plugin/routing.ts';
import { usageParts, type UsagePart, type UsageParts, type UsageReading } from '../plugin/usage.ts';

export function contained<K extends PluginKind>(kind: K, plugin: PluginOf<K>): PluginOf<K> {
  return containers[kind](plugin);
}

const containers: { readonly [K in PluginKind]: (plugin: PluginOf<K>) => PluginOf<K> } = {
  provider: containProvider,
  routing: containStrategy,
  billing: containRule,
  policy: containPolicy,
};

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;
const isPart = (value: unknown): value is UsagePart => usageParts.some((part) => part === value);

/** The same data, on its own and for ever. */
function frozenCopy<T>(value: T): T {
  const freeze = (one: unknown): void => {
    if (!isObject(one) || Object.isFrozen(one)) return;
    Object.freeze(one);
    for (const member of Object.values(one)) freeze(member);
  };
  const copy = structuredClone(value);
  freeze(copy);
  return copy;
}

const faultClasses: readonly FaultClass[] = ['request', 'credential', 'rate-limit', 'unavailable', 'model'];
const headerName = /^[a-z0-9][a-z0-9!#$%&'*+.^_`|~-]*$/;
const headerValue = /^[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?$/;
const hostOwned = new Set(['host', 'content-length', 'content-type', 'transfer-encoding', 'connection']);
const requestPath = /^\/(?!\/)[\x21\x22\x24-\x3e\x40-\x7e]*$/;
const requestQuery = /^[\x21\x22\x24-\x7e]*$/;
const dotSegment = /\/(?:\.|%2e){1,2}(?:\/|$)/i;

function containProvider(provider: Provider): Provider {
  const { speaks, defaultBaseUrl, needsCredential, quirks, onCancel, models } = provider;
  return {
    ...(defaultBaseUrl === undefined ? {} : { defaultBaseUrl }),
    ...frozenCopy({ speaks, needsCredential, quirks, onCancel, models }),
    parts(operation) {
      const parts: unknown = attempt(() => provider.parts(operation));
      // What cannot be told may be anything: no model is published on it unless it prices everything.
      return Array.isArray(parts) && parts.every(isPart) ? parts : usageParts;
    },
    address: (call, credential) => soundAddress(provider.address(call, credential)),
    ...containedExtras(provider),
    usage: (raw, operation, protocol) => soundReading(provider.usage(raw, operation, protocol)),
    classify(failure) {
      const fault: unknown = provider.classify(failure);
      const known = faultClasses.find((one) => one === fault);
      if (known === undefined) throw new Error(`classify answered ${say(fault)}, which is no fault class`);
      return known;
    },
  };
}

/** What a provider may leave out. Where its answer is none, the host does as if it had. */
function containedExtras(
  provider: Provider,
): Pick<Provider, 'dialect' | 'countTokens' | 'storedReplyPath' | 'explain'> {
  const { dialect, countTokens, storedReplyPath, explain } = provider;
  return {
    ...(dialect && {
      dialect(model, protocol) {
        const answer: unknown = attempt(() => dialect.call(provider, model, protocol));
        return isDialect(answer) ? frozenCopy(answer) : {};
      },
    }),
    ...(countTokens && {
      countTokens(call, credential) {
        const answer: unknown = attempt(() => countTokens.call(provider, call, credential));
        return answer === undefined ? undefined : attempt(() => soundAddress(answer));
      },
    }),
    ...(storedReplyPath && {
      storedReplyPath: (id) => soundPath(storedReplyPath.call(provider, id), 'storedReplyPath'),
    }),
    ...(explain && {
      explain(failure) {
        const text: unknown = attempt(() => explain.call(provider, failure));
        return typeof text === 'string' && text.trim() !== '' ? text.slice(0, EXPLANATION_MAX) : undefined;
      },
    }),
  };
}

const yesOrNo: readonly unknown[] = [true, false];
const effortWords: readonly unknown[] = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'];
const dialectValues: { readonly [K in keyof Omit<Dialect, 'efforts'>]: readonly unknown[] } = {
  developerRole: yesOrNo,
  tokenLimit: ['max_completion_tokens', 'max_tokens'],
  toolIds: ['any', 'nine-alphanumeric'],
  reasoningField: ['reasoning_content', 'reasoning', 'none'],
  userAfterResult: yesOrNo,
  thinking: ['effort', 'budget', 'level', 'none'],
  notThinking: ['disabled', 'between_tools'],
  strictSchemas: yesOrNo,
  objectRoots: yesOrNo,
  parallelToolCalls: yesOrNo,
  sampling: ['always', 'unless-thinking', 'only-at-rest', 'never'],
  forcedCalls: yesOrNo,
  systemAmongTurns: yesOrNo,
};
const isDialect = (answer: unknown): answer is Partial<Dialect> =>
  isObject(answer) &&
  Object.entries(dialectValues).every(([name, values]) => !(name in answer) || values.includes(answer[name])) &&
  (!('efforts' in answer) || isEfforts(answer['efforts']));
const isEfforts = (efforts: unknown): boolean =>
  Array.isArray(efforts) && efforts.length > 0 && efforts.every((word) => effortWords.includes(word));

/** Characters of a vendor's own words that a client is shown. */
const EXPLANATION_MAX = 2_000;

function soundPath(path: unknown, asked: string): string {
  if (typeof path === 'string' && requestPath.test(path) && !dotSegment.test(path)) return path;
  throw new Error(`${asked} answered a path that is none: it begins with one /, percent-encoded, without query`);
}

function soundAddress(answer: unknown): UpstreamAddressing {
  if (!isObject(answer)) throw new Error(`address answered ${say(answer)}`);
  const { query, headers } = answer;
  const path = soundPath(answer['path'], 'address');
  if (typeof query !== 'string' || !requestQuery.test(query)) throw new Error('address answered a query that is none');
  if (!Array.isArray(headers)) throw new Error('address answered no list of headers');
  // No value may show in the message: it may be the credential.
  const sound = headers.map((header: unknown) => {
    const [name, value]: readonly unknown[] = Array.isArray(header) ? header : [];
    if (typeof name !== 'string' || !headerName.test(name) || hostOwned.has(name))
      throw new Error('address answered a header whose name is none, or belongs to the host');
    if (typeof value !== 'string' || !headerValue.test(value))
      throw new Error(`address answered a header ${name} whose value no header can carry`);
    return Object.freeze([name, value] as const);
  });
  return Object.freeze({ path, query, headers: Object.freeze(sound) });
}

const flagForm = /^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/;
const FLAGS_MAX = 32;
const FLAG_LENGTH_MAX = 64;

/** Quantities are looked at where they are metered; here it is a reading at all. */
function soundReading(answer: unknown): UsageReading | undefined {
  if (answer === undefined) return undefined;
  if (!isObject(answer) || !isObject(answer['parts']) || !Array.isArray(answer['flags']))
    throw new Error(`usage answered ${say(answer)}, which is no reading`);
  const parts: Partial<Record<UsagePart, number>> = {};
  for (const part of usageParts) {
    const quantity = answer['parts'][part];
    if (quantity !== undefined) parts[part] = typeof quantity === 'number' ? quantity : Number.NaN;
  }
  const flags = answer['flags'].filter(
    (flag: unknown): flag is string =>
      typeof flag === 'string' && flag.length <= FLAG_LENGTH_MAX && flagForm.test(flag),
  );
  return { parts, flags: flags.slice(0, FLAGS_MAX) };
}

function containStrategy(strategy: RoutingStrategy): RoutingStrategy {
  return {
    rank(request, upstreams, random) {
      const given: readonly UpstreamView[] = Object.freeze(upstreams.map((view) => Object.freeze({ ...view })));
      const ranked: unknown = strategy.rank(Object.freeze({ ...request }), given, random);
      if (!Array.isArray(ranked) || !ranked.every((view: unknown) => given.some((one) => one === view)))
        throw new Error(`rank answered ${say(ranked)}, which is no list of the upstreams that it was given`);
      return ranked;
    },
  };
}

function containRule(rule: BillingRule): BillingRule {
  return {
    missingRates(terms, parts) {
      const missing: unknown = attempt(() => rule.missingRates(terms, Object.freeze([...parts])));
      return Array.isArray(missing) && missing.every(isPart) ? missing : parts;
    },
    estimate: (terms, bound) => soundCharge(rule.estimate(terms, frozenUsage(bound)), terms, 'estimate'),
    charge: (terms, usage) => soundCharge(rule.charge(terms, frozenUsage(usage)), terms, 'charge'),
  };
}

const frozenUsage = (usage: UsageParts): UsageParts => Object.freeze({ ...usage });

/** A charge is what its lines come to: anything else could not be recomputed by whoever reads the record. */
function soundCharge(answer: unknown, terms: PriceTerms, asked: string): Charge {
  if (!isObject(answer) || typeof answer['totalNano'] !== 'bigint' || !Array.isArray(answer['lines']))
    throw new Error(`${asked} answered ${say(answer)}, which is no charge`);
  const lines = Object.freeze(answer['lines'].map((line: unknown) => soundLine(line, asked)));
  const totalNano = checkedNano(answer['totalNano'], asked);
  if (totalNano < 0n) throw new Error(`${asked} is negative`);
  if (totalNano !== totalOf(lines, terms.multipliersPpm)) throw new Error(`${asked} is not what its lines come to`);
  return Object.freeze({ lines, totalNano });
}

function soundLine(line: unknown, asked: string): ChargeLine {
  if (isObject(line) && line['kind'] === 'per-call' && typeof line['amountNano'] === 'bigint') {
    if (line['amountNano'] >= 0n) return Object.freeze({ kind: 'per-call', amountNano: line['amountNano'] });
  } else if (isObject(line) && line['kind'] === 'quantity') {
    const { part, quantity, rate } = line;
    const counts = typeof quantity === 'number' && Number.isSafeInteger(quantity) && quantity >= 0;
    if (isPart(part) && counts && typeof rate === 'bigint' && rate >= 0n)
      return Object.freeze({ kind: 'quantity', part, quantity, rate });
  }
  throw new Error(`${asked} has a line that is none: ${say(line)}`);
}

function containPolicy(policy: CompliancePolicy): CompliancePolicy {
  const { gates, asks, clauses, onFailure, deadlineMs } = policy;
  return {
    ...frozenCopy({ gates, asks, clauses, onFailure, deadlineMs }),
    judge(facts) {
      const answer = policy.judge(facts);
      return answer instanceof Promise ? answer.then((late) => sincere(late, facts)) : sincere(answer, facts);
    },
  };
}

/** An obligation makes evidence: only for what is in force. The form of the answer is looked at where it is asked. */
function sincere(decision: Decision, facts: PolicyFacts): Decision {
  const obligations: unknown = isObject(decision) && decision.verdict === 'allow' ? decision.obligations : [];
  if (!Array.isArray(obligations)) return decision;
  for (const obligation of obligations) {
    const stands = facts.terms.some(
      ({ document, version, sha256 }) =>
        isObject(obligation) &&
        obligation['document'] === document &&
        obligation['version'] === version &&
        obligation['sha256'] === sha256,
    );
    if (!stands) throw new Error('it demands the acceptance of a document that is not in force');
  }
  return decision;
}

function attempt<T>(ask: () => T): T | undefined {
  try {
    return ask();
  } catch {
    return undefined;
  }
}

function say(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (isObject(value)) return `an object with the members ${Object.keys(value).slice(0, 10).join(', ') || 'none'}`;
  return String(value).slice(0, 100);
}
