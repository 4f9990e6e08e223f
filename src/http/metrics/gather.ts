// One page of metrics: each family with what is true now. Large pages give way to requests in between.

import type { EpochMs } from '../../core/clock.ts';
import type { LedgerFigures } from '../../domain/ledger/ledger-figures.ts';
import type { Lane } from '../../domain/measures/lanes.ts';
import type { Measures } from '../../domain/measures/measures.ts';
import type { UpstreamHealth } from '../../domain/upstreams/health.ts';
import { UPSTREAMS_MAX } from '../../domain/measures/lanes.ts';
import { usageParts, type UsagePart } from '../../plugin/usage.ts';
import { Exposition, labelText, type Family } from './exposition.ts';
import { families } from './families.ts';
import type { ProcessFigures } from './process-figures.ts';

export interface MetricsSources {
  readonly measures: Measures;
  readonly ledger: { readonly available: boolean; readonly figures: LedgerFigures };
  readonly running: { readonly count: number; readonly streams: number; readonly stopping: boolean };
  readonly health: Pick<UpstreamHealth, 'states'>;
  /** Names of the catalog's upstreams. */
  readonly upstreams: () => readonly string[];
  readonly configGeneration: () => number;
  /** By reason; none where no traces are exported. */
  readonly spansDropped: () => Iterable<readonly [because: string, spans: number]>;
  readonly process: () => ProcessFigures;
  readonly version: string;
  readonly startedAt: EpochMs;
}

const LINES_AT_ONCE = 1_000;
const notTokens: ReadonlySet<UsagePart> = new Set(['calls', 'seconds', 'toolCalls']);
const states = ['open', 'probing', 'ejected'] as const;

export async function gather(sources: MetricsSources): Promise<string> {
  const page = new Exposition();
  for (const write of [...requestFamilies(sources), ...upstreamFamilies(sources)]) {
    const from = page.lines;
    for (const _line of write(page)) {
      if (page.lines - from > LINES_AT_ONCE) await giveWay();
    }
  }
  writeGateway(page, sources);
  writeProcess(page, sources);
  return page.text();
}

const giveWay = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** Writes a family, and yields wherever others may go first. */
type Writer = (page: Exposition) => Generator<undefined>;

function requestFamilies({ measures }: MetricsSources): readonly Writer[] {
  // Those of this moment: room is made among them while this page gives way.
  const lanes = [...measures.lanes];
  const texts = new Map<Lane, string>();
  const textOf = (lane: Lane): string => {
    let text = texts.get(lane);
    if (text === undefined) texts.set(lane, (text = laneText(lane)));
    return text;
  };
  const eachLane = (family: Family, write: (page: Exposition, lane: Lane, labels: string) => void): Writer =>
    function* writeLanes(page) {
      page.family(family);
      for (const lane of lanes) {
        write(page, lane, textOf(lane));
        yield;
      }
    };
  const parts = (family: Family, wanted: (part: UsagePart) => boolean): Writer =>
    eachLane(family, (page, { tokens }, labels) => {
      usageParts.forEach((part, index) => {
        const quantity = tokens[index] ?? 0;
        if (quantity > 0 && wanted(part)) page.sample(`${labels},part="${part}"`, quantity);
      });
    });
  return [
    eachLane(families.requests, (page, lane, labels) => {
      for (const { outcome, status, count } of lane.requests()) {
        page.sample(`${labels},outcome="${outcome}",status="${status}"`, count);
      }
    }),
    eachLane(families.duration, (page, lane, labels) => page.histogram(labels, lane.duration)),
    eachLane(families.firstByte, (page, { firstByte }, labels) => {
      if (firstByte.count > 0) page.histogram(labels, firstByte);
    }),
    parts(families.tokens, (part) => !notTokens.has(part)),
    parts(families.uses, (part) => notTokens.has(part)),
    eachLane(families.estimated, (page, { estimated }, labels) => {
      if (estimated > 0) page.sample(labels, estimated);
    }),
    eachLane(families.charges, (page, { charges }, labels) => {
      for (const [currency, amount] of charges) {
        page.sample(`${labels},${labelText([['currency', currency]])}`, amount.toString());
      }
    }),
    tallied(families.refusals, measures.refusals),
    tallied(families.limitRefusals, measures.limitRefusals),
    tallied(families.policyDenials, measures.policyDenials),
    tallied(families.policyFaults, measures.policyFaults),
  ];
}

const laneText = ({ protocol, operation, model, upstream }: Lane): string =>
  labelText([
    ['protocol', protocol],
    ['operation', operation],
    ['model', model],
    ['upstream', upstream],
  ]);

function tallied(
  family: Family & { readonly labels: readonly string[] },
  tally: Iterable<readonly [first: string, second: string, count: number]>,
): Writer {
  const [first = '', second = ''] = family.labels;
  return function* writeTally(page) {
    page.family(family);
    for (const [one, other, count] of tally) {
      page.sample(
        labelText([
          [first, one],
          [second, other],
        ]),
        count,
      );
      yield;
    }
  };
}

function upstreamFamilies(sources: MetricsSources): readonly Writer[] {
  const { measures, health } = sources;
  const named = (upstream: string) => labelText([['upstream', upstream]]);
  const known = new Map(health.states().map((state) => [state.name, state]));
  const attempted = [...measures.attempts];
  const listed = sources.upstreams().slice(0, UPSTREAMS_MAX);
  return [
    function* attempts(page) {
      page.family(families.attempts);
      for (const [upstream, { served, faults }] of attempted) {
        if (served > 0) page.sample(`${named(upstream)},fault="none"`, served);
        for (const [fault, count] of faults) page.sample(`${named(upstream)},${labelText([['fault', fault]])}`, count);
        yield;
      }
    },
    function* attemptDurations(page) {
      page.family(families.attemptDuration);
      for (const [upstream, { duration }] of attempted) {
        page.histogram(named(upstream), duration);
        yield;
      }
    },
    function* upstreamStates(page) {
      page.family(families.upstreamState);
      for (const name of listed) {
        const state = known.get(name)?.health ?? 'open';
        for (const one of states) page.sample(`${named(name)},state="${one}"`, Number(one === state));
        yield;
      }
      page.family(families.upstreamInFlight);
      for (const name of listed) page.sample(named(name), known.get(name)?.inFlight ?? 0);
      page.family(families.upstreamFaultRatio);
      for (const name of listed) page.sample(named(name), known.get(name)?.faultRate ?? 0);
    },
  ];
}

function writeGateway(page: Exposition, sources: MetricsSources): void {
  const { ledger, running, measures } = sources;
  const { figures } = ledger;
  const one = (family: Family, value: number) => {
    page.family(family);
    page.sample('', value);
  };
  one(families.running, running.count);
  one(families.streams, running.streams);
  one(families.ledgerAvailable, Number(ledger.available));
  one(families.holds, figures.openHolds);
  one(families.journalWaiting, figures.waitingRecords);
  one(families.journalDisk, figures.journalDiskBytes);
  one(families.journalWritten, measures.journalBytes);
  page.family(families.journalSync);
  page.histogram('', measures.journalSyncs);
  one(families.loaderLag, figures.loaderLagRecords);
  one(families.configGeneration, sources.configGeneration());
  page.family(families.spansDropped);
  for (const [because, spans] of sources.spansDropped()) page.sample(labelText([['because', because]]), spans);
  page.family(families.build);
  page.sample(
    labelText([
      ['version', sources.version],
      ['bun', Bun.version],
    ]),
    1,
  );
  one(families.stopping, Number(running.stopping));
}

function writeProcess(page: Exposition, { process, startedAt }: MetricsSources): void {
  const figures = process();
  page.family(families.loopLag);
  page.histogram('', figures.loopLag);
  const one = (family: Family, value: number) => {
    page.family(family);
    page.sample('', value);
  };
  one(families.heap, figures.heapBytes);
  one(families.cpu, figures.cpuSeconds);
  one(families.resident, figures.residentBytes);
  if (figures.openFiles !== undefined) one(families.files, figures.openFiles);
  one(families.started, startedAt / 1000);
}
