// What an operator may ask of telemetry: nothing is on unless it was asked for, and what cannot be done is refused with
// the name of the variable and what to write instead, never with a secret.

import { expect, test } from 'bun:test';
import { readEnvironment } from '../../src/environment.ts';
import { otlpSettings, secretsOf } from '../../src/telemetry/otlp-settings.ts';

const of = (variables: Readonly<Record<string, string>>, endpoint?: string, passOn = false) =>
  otlpSettings(readEnvironment(variables).openTelemetry, { endpoint, passOn });

test('is off by default, when disabled, and without exporters', () => {
  expect(of({})).toBeUndefined();
  expect(of({ OTEL_SERVICE_NAME: 'x', OTEL_TRACES_SAMPLER: 'always_on' })).toBeUndefined();
  expect(of({ OTEL_EXPORTER_OTLP_ENDPOINT: '' })).toBeUndefined();
  expect(of({ OTEL_SDK_DISABLED: 'TRUE' }, 'http://c:4318')).toBeUndefined();
  expect(of({ OTEL_TRACES_EXPORTER: 'none', OTEL_METRICS_EXPORTER: 'none' }, 'http://c:4318')).toBeUndefined();
});

test('finds each signal its place', () => {
  const urls = (...given: Parameters<typeof of>) => {
    const settings = of(...given);
    return [settings?.traces?.url, settings?.metrics?.url];
  };
  expect(urls({}, 'http://c:4318')).toEqual(['http://c:4318/v1/traces', 'http://c:4318/v1/metrics']);
  expect(urls({}, 'https://c/otlp/')).toEqual(['https://c/otlp/v1/traces', 'https://c/otlp/v1/metrics']);
  expect(urls({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://env:1' }, 'http://flag:2')[0]).toBe('http://flag:2/v1/traces');
  expect(urls({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://t:1/in' })).toEqual(['http://t:1/in', undefined]);
  expect(urls({ OTEL_METRICS_EXPORTER: 'none' }, 'http://c:1')).toEqual(['http://c:1/v1/traces', undefined]);
});

test('reads headers, attributes and the sampler', () => {
  const settings = of(
    {
      OTEL_EXPORTER_OTLP_HEADERS: 'api-key=one%2Ctwo, x-tenant = a',
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'X-Tenant=traces',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=production,service.name=by-attribute',
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0.25',
      OTEL_METRIC_EXPORT_INTERVAL: '5000',
    },
    'http://c:4318',
    true,
  );
  expect(settings?.traces?.headers).toEqual({ 'api-key': 'one,two', 'x-tenant': 'traces' });
  expect(settings?.metrics?.headers).toEqual({ 'api-key': 'one,two', 'x-tenant': 'a' });
  expect(settings).toMatchObject({
    serviceName: 'by-attribute',
    resource: { 'deployment.environment.name': 'production' },
    sampler: 'parentbased_traceidratio',
    samplerRatio: 0.25,
    metricsEveryMs: 5_000,
    passOn: true,
  });
  expect(settings === undefined ? [] : secretsOf(settings)).toEqual(['one,two', 'traces', 'a']);
  expect(of({ OTEL_SERVICE_NAME: 'mine' }, 'http://c:1')?.serviceName).toBe('mine');
  expect(of({}, 'http://c:1')?.serviceName).toBe('tollgate');
});

test.each([
  ['ftp://c', {}, '--otlp: give the http or https address'],
  ['c:4318', {}, '--otlp: give the http or https address'],
  ['http://me:hunter2hunter2@c', {}, 'OTEL_EXPORTER_OTLP_HEADERS takes them'],
  ['http://c', { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, 'only http/protobuf is spoken'],
  ['http://c', { OTEL_TRACES_EXPORTER: 'zipkin' }, 'OTEL_TRACES_EXPORTER: only otlp and none'],
  ['http://c', { OTEL_METRICS_EXPORTER: 'prometheus' }, 'OTEL_METRICS_EXPORTER: only otlp and none'],
  ['http://c', { OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip' }, 'OTEL_EXPORTER_OTLP_COMPRESSION: only none'],
  ['http://c', { OTEL_EXPORTER_OTLP_HEADERS: 'nothing hunter2hunter2' }, 'OTEL_EXPORTER_OTLP_HEADERS: write key=value'],
  ['http://c', { OTEL_EXPORTER_OTLP_HEADERS: 'a=%zzhunter2hunter2' }, 'write %25'],
  ['http://c', { OTEL_EXPORTER_OTLP_HEADERS: 'a=x%0D%0Ahunter2hunter2: y' }, 'cannot be sent as a header'],
  ['http://c', { OTEL_TRACES_SAMPLER: 'sometimes' }, 'OTEL_TRACES_SAMPLER: choose one of always_on'],
  ['http://c', { OTEL_TRACES_SAMPLER_ARG: '2' }, 'OTEL_TRACES_SAMPLER_ARG: give a number from 0 to 1'],
  ['http://c', { OTEL_TRACES_SAMPLER_ARG: 'NaN' }, 'OTEL_TRACES_SAMPLER_ARG'],
  ['http://c', { OTEL_METRIC_EXPORT_INTERVAL: '1' }, 'OTEL_METRIC_EXPORT_INTERVAL: give milliseconds from 1000'],
])('%s with %p is refused', (endpoint, variables, says) => {
  let message = '';
  try {
    of(variables, endpoint);
  } catch (error) {
    message = error instanceof Error ? `${error.name}: ${error.message}` : '';
  }
  expect(message).toStartWith('OtlpSettingsError: ');
  expect(message).toContain(says);
  expect(message).not.toContain('hunter2hunter2');
});
