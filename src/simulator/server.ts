// The simulator server: an upstream without a vendor. It speaks OpenAI's chat, completions, embeddings and
// models over raw TCP, so that every fault of the list can be shown to the byte. Answers depend on the
// request alone.

import type { Clock } from '../core/clock.ts';
import { systemClock } from '../core/clock.ts';
import type { Answer } from './answer.ts';
import { createConnection, createTurns } from './connection.ts';
import type { Connection, SimulatorCounters } from './connection.ts';
import { readDirectives } from './directives.ts';
import type { Directives } from './directives.ts';
import { answerEmbeddings } from './embeddings.ts';
import { faultModelNames, findFault, isAddressFault } from './faults/index.ts';
import { honestReply } from './faults/fault.ts';
import { parseFields } from './fields.ts';
import type { Fields } from './fields.ts';
import { anthropicForm } from './forms/anthropic.ts';
import { anthropicAsChat, geminiAsChat, responsesAsChat } from './forms/as-chat.ts';
import type { Form } from './forms/form.ts';
import { geminiArray, geminiForm } from './forms/gemini.ts';
import { openAiForm } from './forms/openai.ts';
import { responsesForm } from './forms/responses.ts';
import { answerGeneration } from './generation.ts';
import type { GenerationRequest } from './generation.ts';
import { Refusal } from './refusal.ts';
import { openRecordings } from './replay.ts';
import type { Recordings } from './replay.ts';
import { createdAt } from './said.ts';
import type { SimulatorRequest } from './request-reader.ts';
import { finish, write } from './script.ts';
import type { Script } from './script.ts';
import { createTimerWheel } from './timer-wheel.ts';
import { head, jsonReply, withLength } from './wire.ts';

export type { SimulatorCounters } from './connection.ts';
export type { SimulatorRequest } from './request-reader.ts';

export interface SimulatorOptions {
  /** 0 takes a free one. Default 0. */
  readonly port?: number;
  /** Default `127.0.0.1`: answers nobody but this machine. */
  readonly host?: string;
  readonly clock?: Clock;
  /** Whether models that fail on purpose are served. Default false: they are unknown. */
  readonly faults?: boolean;
  /** Folder with an `index.jsonl` and recorded replies, for `sim/replay/ID`. Without it there are none. */
  readonly recordings?: string;
  /** Told of every complete request before it is answered: tests see what a gateway really sent. */
  readonly observe?: (request: SimulatorRequest) => void;
  /**
   * Told of an exception inside the simulator, which is a defect of its own. Default: a line on standard
   * error.
   */
  readonly onDefect?: (error: unknown) => void;
}

export interface Simulator {
  readonly port: number;
  /** Base URL up to and with `/v1`. */
  readonly url: string;
  /** A copy of the counters that `GET /healthz` serves. */
  counters(): Readonly<SimulatorCounters>;
  /** Stops listening and resets every connection. */
  close(): void;
}

/** Models that answer honestly, with the wait between events where no directive says otherwise. */
const echoGapMs: ReadonlyMap<string, number> = new Map([
  ['sim/echo', 10],
  ['sim/fast', 0],
]);
const embeddingModel = 'sim/embed';
const replayPrefix = 'sim/replay/';

type Operation = 'chat' | 'completions' | 'embeddings';

/** What is asked at a path: in which protocol, and what Gemini's path says itself. */
interface Asked {
  readonly operation: Operation;
  readonly protocol: GenerationRequest['protocol'];
  readonly model?: string;
  readonly stream?: boolean;
  /** The stream is to be one array. */
  readonly array?: boolean;
}

const askedPaths: ReadonlyMap<string, Asked> = new Map([
  ['/v1/chat/completions', { operation: 'chat', protocol: 'openai' }],
  ['/v1/completions', { operation: 'completions', protocol: 'openai' }],
  ['/v1/embeddings', { operation: 'embeddings', protocol: 'openai' }],
  ['/v1/messages', { operation: 'chat', protocol: 'anthropic' }],
  ['/v1/responses', { operation: 'chat', protocol: 'responses' }],
]);
const verbPath = /^\/v1(?:beta)?\/models\/(.+):(generateContent|streamGenerateContent)$/;

function askedAt(target: string): Asked | undefined {
  const [path = '', query = ''] = target.split('?');
  const [, model, verb] = verbPath.exec(path) ?? [];
  if (model === undefined) return askedPaths.get(path);
  const stream = verb === 'streamGenerateContent';
  const array = stream && new URLSearchParams(query).get('alt') !== 'sse';
  return { operation: 'chat', protocol: 'gemini', model: decoded(model), stream, array };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Refusal('the model name is not percent-encoded UTF-8');
  }
}

interface Service {
  readonly clock: Clock;
  readonly faults: boolean;
  readonly recordings: Recordings | undefined;
  readonly counters: SimulatorCounters;
  /** Requests so far, by fault model: for faults that come and go. */
  readonly asked: Map<string, number>;
}

interface Call {
  readonly operation: Operation;
  readonly protocol: GenerationRequest['protocol'];
  readonly fields: Fields;
  /** Without directives. */
  readonly model: string;
  readonly array: boolean;
  readonly directives: Directives;
  readonly hash: string;
}

function unknownModel(model: string): Refusal {
  const shown = model.slice(0, 100);
  return new Refusal(`The model \`${shown}\` does not exist`, {
    status: 404,
    code: 'model_not_found',
    param: 'model',
  });
}

function honestAnswer(call: Call, gapMs: number): Answer {
  return call.operation === 'embeddings'
    ? answerEmbeddings(call)
    : answerGeneration({ ...call, operation: call.operation, gapMs });
}

function answerFault(call: Call, service: Service): Script {
  const script = service.faults ? findFault(call.model) : undefined;
  if (!script) {
    if (!service.faults || !isAddressFault(call.model)) throw unknownModel(call.model);
    throw new Refusal('this fault is shown by the address of an upstream, not by a model; see addresses.ts', {
      status: 404,
      code: 'fault_by_address',
      param: 'model',
    });
  }
  const count = service.asked.get(call.model) ?? 0;
  service.asked.set(call.model, count + 1);
  return script({ answer: honestAnswer(call, 0), clock: service.clock, count });
}

function answerReplay(call: Call, service: Service): Script {
  const { delay = 0, first = 0, gap = 0, seed } = call.directives;
  const cutBy = seed ?? Number.parseInt(call.hash.slice(0, 8), 16);
  const id = call.model.slice(replayPrefix.length);
  const script = service.recordings?.replay(id, cutBy, { delayMs: delay, firstMs: first, gapMs: gap });
  if (!script) throw unknownModel(call.model);
  return script;
}

function answerCall(call: Call, service: Service): Script {
  const { model, operation } = call;
  if (call.fields.stream === true && operation !== 'embeddings') service.counters.streams++;
  if (model.startsWith(replayPrefix)) return answerReplay(call, service);
  if (model.startsWith('sim/u')) return answerFault(call, service);
  const gapMs = operation === 'embeddings' ? 0 : echoGapMs.get(model);
  if (gapMs === undefined || (operation === 'embeddings') !== (model === embeddingModel)) throw unknownModel(model);
  const answer = honestAnswer(call, gapMs);
  return call.array ? geminiArray(answer) : honestReply(answer);
}

function readCall({ operation, protocol, model: named, stream, array = false }: Asked, body: Uint8Array): Call {
  const sent = parseFields(body);
  const name = named ?? sent.model;
  if (typeof name !== 'string') throw new Refusal("'model' must be a string", { param: 'model' });
  const { text: model, directives } = readDirectives(name);
  const fields = asChat(protocol, sent, stream === true);
  return { operation, protocol, fields, model, array, directives, hash: Bun.hash(body).toString(16).padStart(16, '0') };
}

function modelNames(service: Service): readonly string[] {
  return [...echoGapMs.keys(), embeddingModel, ...(service.faults ? faultModelNames : [])];
}

function modelJson(id: string): object {
  return { id, object: 'model', created: createdAt, owned_by: 'tollgate' };
}

function answerModel(path: string, service: Service): Script {
  const id = decoded(path.slice('/v1/models/'.length));
  if (!modelNames(service).includes(id)) throw unknownModel(id);
  return jsonReply(200, JSON.stringify(modelJson(id)));
}

function* bodiless(status: number): Script {
  yield write(head(status, withLength([], 0)));
  yield finish;
}

function route(request: SimulatorRequest, service: Service): Script {
  const [path = ''] = request.target.split('?');
  const asked = askedAt(request.target);
  if (asked) {
    if (request.method !== 'POST') throw new Refusal('use POST', { status: 405, code: 'method_not_allowed' });
    return answerCall(readCall(asked, request.body), service);
  }
  if (request.method === 'HEAD') return bodiless(path === '/healthz' ? 200 : 404);
  if (request.method !== 'GET')
    throw new Refusal(`no such path: ${path.slice(0, 100)}`, { status: 404, code: 'not_found' });
  if (path === '/healthz') return jsonReply(200, JSON.stringify(service.counters));
  if (path === '/v1/models') {
    return jsonReply(200, JSON.stringify({ object: 'list', data: modelNames(service).map(modelJson) }));
  }
  if (path.startsWith('/v1/models/')) return answerModel(path, service);
  throw new Refusal(`no such path: ${path.slice(0, 100)}`, { status: 404, code: 'not_found' });
}

const forms: Readonly<Record<GenerationRequest['protocol'], Form>> = {
  openai: openAiForm,
  anthropic: anthropicForm,
  gemini: geminiForm,
  responses: responsesForm,
};

function asChat(protocol: GenerationRequest['protocol'], sent: Fields, stream: boolean): Fields {
  switch (protocol) {
    case 'openai':
      return sent;
    case 'anthropic':
      return anthropicAsChat(sent);
    case 'gemini':
      return geminiAsChat(sent, stream);
    case 'responses':
      return responsesAsChat(sent);
  }
}

/** For errors, one of which may be the path itself. */
function askedAtSafely(target: string): Asked | undefined {
  try {
    return askedAt(target);
  } catch {
    return undefined;
  }
}

function answer(request: SimulatorRequest, service: Service): Script {
  try {
    return route(request, service);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const form = forms[askedAtSafely(request.target)?.protocol ?? 'openai'];
    const { message, code, param, status } = error;
    return jsonReply(status, form.error(status, message, 'invalid_request_error', code, param));
  }
}

/** Starts a simulator. Throws if the port is taken. */
export function startSimulator(options: SimulatorOptions = {}): Simulator {
  const { clock = systemClock, host = '127.0.0.1', observe } = options;
  const reportDefect = options.onDefect ?? ((error: unknown) => console.error('simulator: defect', error));
  const wheel = createTimerWheel(clock);
  const nextTurn = createTurns();
  const service: Service = {
    clock,
    faults: options.faults ?? false,
    recordings: options.recordings === undefined ? undefined : openRecordings(options.recordings),
    counters: { requests: 0, streams: 0, open: 0, finished: 0, aborted: 0, connections: 0, defects: 0 },
    asked: new Map(),
  };
  const connections = new Set<Connection>();
  const connectionHost = {
    wheel,
    counters: service.counters,
    reportDefect,
    answer(request: SimulatorRequest) {
      observe?.(request);
      return answer(request, service);
    },
  };
  const listener = Bun.listen<Connection>({
    hostname: host,
    port: options.port ?? 0,
    socket: {
      open(socket) {
        socket.data = createConnection(connectionHost, nextTurn);
        connections.add(socket.data);
        socket.data.opened(socket);
      },
      data: (socket, chunk) => socket.data.received(chunk),
      drain: (socket) => socket.data.drained(),
      close(socket) {
        connections.delete(socket.data);
        socket.data.closed();
      },
      error(socket, error) {
        reportDefect(error);
        socket.terminate();
      },
    },
  });
  const { port } = listener;
  return {
    port,
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}/v1`,
    counters: () => ({ ...service.counters }),
    close() {
      listener.stop();
      for (const connection of connections) connection.terminate();
      wheel.stop();
    },
  };
}
