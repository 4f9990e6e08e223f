// Calls against usage records: what a client saw of its call decides which record, outcome and charge there must be.

import { chargeOf, statedTokens, type Call } from './kill-gateway-calls.ts';

export interface UsageFound {
  readonly position: bigint;
  readonly request_id: string;
  readonly account_id: string;
  readonly api_key_id: string;
  readonly model: string;
  readonly stream: bigint;
  readonly status: bigint;
  readonly outcome: string;
  readonly input_tokens: bigint;
  readonly output_tokens: bigint;
  readonly held_nano: bigint;
  readonly charge_nano: bigint;
  readonly loss_nano: bigint;
}

export interface CallCounts {
  calls: number;
  /** Replies that a client saw complete. */
  complete: number;
  /** Complete replies among them that stated their usage. */
  stated: number;
  refused: number;
  /** Streams of which the client had the head and no end. */
  begun: number;
  /** Calls of which the client saw nothing. */
  unseen: number;
  records: number;
  charged: number;
  /** Charged although their client did not see them complete. */
  chargedUnseen: number;
  recovered: number;
}

export interface Charged {
  readonly accountId: string;
  readonly apiKeyId: string;
  readonly chargeNano: bigint;
}

/** Outcomes that are free whatever happened before. */
const freeOutcomes: ReadonlySet<string> = new Set(['recovered', 'upstream-failed', 'upstream-refused', 'empty']);

/** Returns what each record took from its account; the charges of complete replies are the driver's own figures. */
export function judgeCalls(
  calls: readonly Call[], rows: readonly UsageFound[], counts: CallCounts, wrong: string[],
): readonly Charged[] {
  const records = new Map(rows.map((row) => [row.request_id, row]));
  const charged: Charged[] = [];
  const unseen: Call[] = [];
  counts.calls += calls.length;
  counts.records += rows.length;
  for (const call of calls) {
    if (call.requestId === undefined) {
      unseen.push(call);
      continue;
    }
    const record = records.get(call.requestId);
    records.delete(call.requestId);
    const chargeNano = judgeSeen(call, call.requestId, record, counts, wrong);
    if (record !== undefined) charged.push({ accountId: call.accountId, apiKeyId: call.apiKeyId, chargeNano });
  }
  counts.unseen += unseen.length;
  for (const record of records.values()) charged.push(judgeUnseen(record, unseen, counts, wrong));
  for (const record of rows) {
    if (record.charge_nano > 0n) counts.charged += 1;
    if (record.outcome === 'recovered') counts.recovered += 1;
    if (freeOutcomes.has(record.outcome) && record.charge_nano !== 0n) wrong.push(`${named(record)} is not free`);
    if (record.charge_nano > record.held_nano || record.loss_nano !== 0n) {
      wrong.push(`${named(record)} is beyond its hold of ${record.held_nano}, loss ${record.loss_nano}`);
    }
  }
  return charged;
}

const named = (record: UsageFound): string =>
  `${record.request_id} (${record.outcome}, ${record.model}, charge ${record.charge_nano})`;

/** A call whose reply began: its request id is known. Returns the charge that it must have. */
function judgeSeen(
  call: Call, requestId: string, record: UsageFound | undefined, counts: CallCounts, wrong: string[],
): bigint {
  const about = `${requestId} (${call.model}, stream ${call.stream}, status ${call.status})`;
  if (call.status !== 200) {
    counts.refused += 1;
    if (call.status === 500) wrong.push(`${about}: the gateway has a defect: ${call.text.slice(0, 200)}`);
    if (record !== undefined && record.charge_nano !== 0n) {
      wrong.push(`${about} was refused and charged: ${named(record)}`);
    }
    return 0n;
  }
  // A hold is durable before the first byte of a stream, a settlement before the status line of a whole reply.
  if (record === undefined) {
    wrong.push(`${about} has no usage record; complete: ${call.complete}`);
    return 0n;
  }
  if (!sameCall(call, record)) wrong.push(`${about} was recorded as another call: ${named(record)}`);
  if (!call.complete) {
    counts.begun += 1;
    if (record.charge_nano > 0n) counts.chargedUnseen += 1;
    return judgeIncomplete(call, about, record, wrong);
  }
  counts.complete += 1;
  const stated = statedTokens(call);
  if (stated !== undefined) {
    counts.stated += 1;
    const { input, cached, output } = call.tokens;
    if (stated.input !== input || stated.cached !== cached || stated.output !== output) {
      wrong.push(`${about} stated ${JSON.stringify(stated)}, foretold was ${JSON.stringify(call.tokens)}`);
    }
  }
  const chargeNano = chargeOf(call.model, stated ?? call.tokens);
  if (record.outcome !== 'finished') wrong.push(`${about} was complete, recorded is ${named(record)}`);
  if (record.charge_nano !== chargeNano) wrong.push(`${about} was complete and costs ${chargeNano}: ${named(record)}`);
  return chargeNano;
}

function judgeIncomplete(call: Call, about: string, record: UsageFound, wrong: string[]): bigint {
  const full = chargeOf(call.model, call.tokens);
  const allowed = call.stream ? ['finished', 'recovered'] : ['finished'];
  if (call.leaves !== undefined) allowed.push('client-left');
  // The end of a process closes its sockets: nothing else can look to it as if a client had left.
  if (call.ending === 'cut') allowed.push('broken-off');
  if (!allowed.includes(record.outcome)) wrong.push(`${about} was not complete, recorded is ${named(record)}`);
  const isExact = record.outcome === 'finished';
  if (isExact && record.charge_nano !== full) wrong.push(`${about} finished and costs ${full}: ${named(record)}`);
  if (record.outcome === 'broken-off' && record.charge_nano !== 0n) wrong.push(`${about} broke off: ${named(record)}`);
  return record.charge_nano - record.loss_nano;
}

const sameCall = (call: Call, record: UsageFound): boolean =>
  call.apiKeyId === record.api_key_id && call.accountId === record.account_id && call.model === record.model
  && (record.outcome === 'recovered' || call.stream === (record.stream === 1n));

/** A record without a reply: it must belong to one call of which nothing was seen, and to no other. */
function judgeUnseen(record: UsageFound, unseen: Call[], counts: CallCounts, wrong: string[]): Charged {
  const exact = record.outcome === 'finished';
  const at = unseen.findIndex((call) =>
    sameCall(call, record) && mayEndAs(call, record) && (!exact || sameTokens(call, record)));
  const [call] = at < 0 ? [] : unseen.splice(at, 1);
  if (call === undefined) wrong.push(`${named(record)} belongs to no call that was sent`);
  else if (exact && record.charge_nano !== chargeOf(call.model, call.tokens)) {
    wrong.push(`${named(record)} finished unseen and costs ${chargeOf(call.model, call.tokens)}`);
  }
  if (record.charge_nano > 0n) counts.chargedUnseen += 1;
  const chargeNano = record.charge_nano - record.loss_nano;
  return { accountId: record.account_id, apiKeyId: record.api_key_id, chargeNano };
}

const sameTokens = ({ tokens }: Call, record: UsageFound): boolean =>
  BigInt(tokens.input) === record.input_tokens && BigInt(tokens.output) === record.output_tokens;

function mayEndAs(call: Call, record: UsageFound): boolean {
  switch (record.outcome) {
    case 'client-left': return call.leaves !== undefined;
    case 'broken-off': return call.ending === 'cut';
    case 'upstream-refused': return call.ending === 'refused';
    default: return true;
  }
}
