// The metrics by name: what each means, and which labels it has. The documentation has this list, and a test compares.

import type { Family } from './exposition.ts';

interface Declared extends Family {
  readonly labels: readonly string[];
}

const counter = (name: string, help: string, ...labels: readonly string[]): Declared => ({
  name,
  type: 'counter',
  help,
  labels,
});
const gauge = (name: string, help: string, ...labels: readonly string[]): Declared => ({
  name,
  type: 'gauge',
  help,
  labels,
});
const histogram = (name: string, help: string, ...labels: readonly string[]): Declared => ({
  name,
  type: 'histogram',
  help,
  labels,
});

const lane = ['protocol', 'operation', 'model', 'upstream'] as const;

export const families = {
  requests: counter(
    'tollgate_requests_total',
    'Requests of clients that were let in and are over.',
    ...lane,
    'outcome',
    'status',
  ),
  refusals: counter(
    'tollgate_refused_requests_total',
    'Requests of clients that were refused before anything was held for them.',
    'protocol',
    'code',
  ),
  limitRefusals: counter(
    'tollgate_limit_refusals_total',
    'Requests refused by a limit, by its kind and whose it was.',
    'limit',
    'scope',
  ),
  policyDenials: counter(
    'tollgate_policy_denials_total',
    'Denials of compliance policies, for requests and for single upstreams of their plans.',
    'policy',
    'clause',
  ),
  policyFaults: counter(
    'tollgate_policy_faults_total',
    'Times that a compliance policy failed to answer.',
    'policy',
    'because',
  ),
  duration: histogram('tollgate_request_duration_seconds', 'From the head of a request to its settlement.', ...lane),
  firstByte: histogram(
    'tollgate_first_byte_seconds',
    "From the head of a request to the first byte of its reply's stream. Other replies come whole.",
    ...lane,
  ),
  tokens: counter('tollgate_tokens_total', 'Usage by its disjoint parts, in tokens.', ...lane, 'part'),
  uses: counter('tollgate_uses_total', 'Usage that is not tokens: calls, seconds, toolCalls.', ...lane, 'part'),
  estimated: counter(
    'tollgate_estimated_requests_total',
    'Requests whose usage was estimated, because the upstream did not report it in a way that could be believed.',
    ...lane,
  ),
  charges: counter(
    'tollgate_charged_units_total',
    'Charges in units of the currency, written with all nine places. For trends: the ledger is the account.',
    ...lane,
    'currency',
  ),
  attempts: counter(
    'tollgate_attempts_total',
    'Tries at an upstream by how they failed; `none`: it served, or the client left.',
    'upstream',
    'fault',
  ),
  attemptDuration: histogram(
    'tollgate_attempt_duration_seconds',
    'From the start of a try to a whole reply, the first bytes of a stream, or the failure.',
    'upstream',
  ),
  upstreamState: gauge(
    'tollgate_upstream_state',
    'One for the state that an upstream is in: open, probing (its next request decides), ejected.',
    'upstream',
    'state',
  ),
  upstreamInFlight: gauge('tollgate_upstream_in_flight_attempts', 'Tries that run at an upstream now.', 'upstream'),
  upstreamFaultRatio: gauge(
    'tollgate_upstream_fault_ratio',
    'Moving average of failed tries at an upstream, 0 to 1.',
    'upstream',
  ),
  running: gauge('tollgate_running_requests', 'Requests of clients that run now, streams included.'),
  streams: gauge('tollgate_open_streams', 'Replies that are being streamed now.'),
  ledgerAvailable: gauge('tollgate_ledger_available', 'One while charges can be written; paid calls are refused else.'),
  holds: gauge('tollgate_open_holds', 'Holds that are open now: money reserved for requests that run.'),
  journalWaiting: gauge(
    'tollgate_journal_waiting_records',
    'Records of the money journal that are not on the disk yet.',
  ),
  journalDisk: gauge('tollgate_journal_size_bytes', 'What the money journal takes on the disk.'),
  journalWritten: counter('tollgate_journal_written_bytes_total', 'Written to the money journal.'),
  journalSync: histogram('tollgate_journal_sync_duration_seconds', 'One write of the money journal with its sync.'),
  loaderLag: gauge('tollgate_loader_lag_records', 'Records on the disk that cannot be listed yet.'),
  configGeneration: gauge('tollgate_config_generation', 'Counts up with each config that was taken into use.'),
  spansDropped: counter('tollgate_spans_dropped_total', 'Spans that no collector got.', 'because'),
  build: gauge('tollgate_build_info', 'One; its labels say what runs.', 'version', 'bun'),
  stopping: gauge('tollgate_stopping', 'One once the process was told to stop.'),
  loopLag: histogram(
    'tollgate_event_loop_lag_seconds',
    'How late a timer of a quarter of a second rang. Sampled while metrics are read.',
  ),
  heap: gauge('tollgate_heap_used_bytes', 'Heap of the JavaScript engine in use.'),
  cpu: counter('process_cpu_seconds_total', 'CPU of all threads, user and system.'),
  resident: gauge('process_resident_memory_bytes', 'Resident memory.'),
  files: gauge('process_open_fds', 'Open file descriptors.'),
  started: gauge('process_start_time_seconds', 'When the gateway was started, since the epoch.'),
} as const satisfies Record<string, Declared>;
