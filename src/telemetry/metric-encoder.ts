// The GenAI metrics of OpenTelemetry, out of the same counters that `/metrics` shows: cumulative histograms since the
// gateway's start.

import type { EpochMs } from '../core/clock.ts';
import type { Histogram } from '../domain/measures/histogram.ts';
import type { Lane } from '../domain/measures/lanes.ts';
import { writeAttribute } from './attributes.ts';
import { ProtobufWriter } from './protobuf-writer.ts';
import { operationNames } from './span-encoder.ts';

/** Field numbers of OTLP's `metrics.proto`. */
const ResourceMetrics = 1;
const ScopeMetrics = 2;
const Metrics = 2;
const Metric = { name: 1, description: 2, unit: 3, histogram: 9 } as const;
const HistogramField = { points: 1, temporality: 2 } as const;
const CUMULATIVE = 2;
const Point = { start: 2, time: 3, count: 4, sum: 5, buckets: 6, bounds: 7, attributes: 9 } as const;
const UNKNOWN_PROVIDER = 'unknown';

interface MeasuredPart {
  readonly histogram: Histogram;
  readonly tokenType?: 'input' | 'output';
}

interface MetricDeclaration {
  readonly name: string;
  readonly unit: string;
  readonly description: string;
  readonly points: (lane: Lane) => readonly MeasuredPart[];
}

const declarations: readonly MetricDeclaration[] = [
  {
    name: 'gen_ai.client.token.usage',
    unit: '{token}',
    description: 'Tokens of each request',
    points: ({ inputTokens, outputTokens }) => [
      { histogram: inputTokens, tokenType: 'input' },
      { histogram: outputTokens, tokenType: 'output' },
    ],
  },
  {
    name: 'gen_ai.server.request.duration',
    unit: 's',
    description: 'From the head of a request to its settlement',
    points: ({ duration }) => [{ histogram: duration }],
  },
  {
    name: 'gen_ai.server.time_to_first_token',
    unit: 's',
    description: "To the first byte of a reply's stream",
    points: ({ firstByte }) => [{ histogram: firstByte }],
  },
];

export interface MetricMoment {
  readonly startedAt: EpochMs;
  readonly at: EpochMs;
}

/** Undefined while nothing was counted. `resource` and `scope` as for spans. */
export function encodeMetrics(
  lanes: Iterable<Lane>,
  { startedAt, at }: MetricMoment,
  resource: Uint8Array,
  scope: Uint8Array,
): Uint8Array | undefined {
  const all = [...lanes];
  if (all.length === 0) return undefined;
  const writer = new ProtobufWriter(64 * 1024);
  const metrics = declarations.map((declaration) => {
    writer.reset();
    writeMetric(writer, declaration, all, { startedAt, at });
    return writer.copy();
  });
  writer.reset();
  writer.message(ResourceMetrics, () => {
    writer.raw(resource);
    writer.message(ScopeMetrics, () => {
      writer.raw(scope);
      for (const metric of metrics) writer.bytes(Metrics, metric);
    });
  });
  return writer.copy();
}

function writeMetric(
  writer: ProtobufWriter,
  { name, unit, description, points }: MetricDeclaration,
  lanes: readonly Lane[],
  moment: MetricMoment,
): void {
  writer.text(Metric.name, name);
  writer.text(Metric.description, description);
  writer.text(Metric.unit, unit);
  writer.message(Metric.histogram, () => {
    writer.number(HistogramField.temporality, CUMULATIVE);
    for (const lane of lanes) {
      for (const { histogram, tokenType } of points(lane)) {
        if (histogram.count === 0) continue;
        writer.message(HistogramField.points, () => writePoint(writer, lane, histogram, tokenType, moment));
      }
    }
  });
}

function writePoint(
  writer: ProtobufWriter,
  { operation, model, upstream, provider }: Lane,
  { bounds, counts, sum, count }: Pick<Histogram, 'bounds' | 'counts' | 'sum' | 'count'>,
  tokenType: string | undefined,
  { startedAt, at }: MetricMoment,
): void {
  writer.nanoseconds(Point.start, startedAt);
  writer.nanoseconds(Point.time, at);
  writer.fixed64(Point.count, count);
  writer.double(Point.sum, sum);
  writer.message(Point.buckets, () => {
    for (let index = 0; index <= bounds.length; index += 1) writer.bareFixed64(counts[index] ?? 0);
  });
  writer.message(Point.bounds, () => {
    for (const one of bounds) writer.bareDouble(one);
  });
  writeAttribute(writer, Point.attributes, 'gen_ai.operation.name', operationNames[operation]);
  writeAttribute(writer, Point.attributes, 'gen_ai.provider.name', provider ?? UNKNOWN_PROVIDER);
  writeAttribute(writer, Point.attributes, 'gen_ai.request.model', model);
  if (tokenType !== undefined) writeAttribute(writer, Point.attributes, 'gen_ai.token.type', tokenType);
  if (upstream !== '') writeAttribute(writer, Point.attributes, 'tollgate.upstream', upstream);
}
