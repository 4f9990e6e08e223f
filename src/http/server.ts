// The listening server. Every request meets the Host check first; then it goes to the face whose paths it names. The
// guards of a face stand on its own routes, so that nothing rests on how a path is split here.

import { bounds } from '../core/bounds.ts';
import { normaliseAddress } from '../core/addresses.ts';
import { createHostCheck, pathOf } from './host-check.ts';
import { clientError } from './client-error.ts';
import { protocolAt } from './proxy/served-paths.ts';
import { createTraffic, type Answer, type Traffic } from './traffic.ts';

/** One face: an application that answers a request. */
export type Face = (request: Request) => Response | Promise<Response>;

export interface Faces {
  /** `/v1` and its aliases. Each face is made when it is first asked for: a router costs a start more than all else. */
  readonly client: () => Promise<Face>;
  /**
   * The short way of `/v1`: the very handler that the routes of `client` call for a POST to this path, without the
   * router. Undefined for any other path.
   */
  readonly servedBy: (
    path: string,
    query: string,
  ) => ((request: Request, peer: string) => Promise<Response>) | undefined;
  /** `/admin`. */
  readonly admin: () => Promise<Face>;
  /** `/terms`. */
  readonly terms: () => Promise<Face>;
  /** Everything else: health, status. */
  readonly public: () => Promise<Face>;
}

export interface ServerOptions {
  readonly host: string;
  readonly port: number;
  /** Names besides address literals and localhost by which clients may call us. */
  readonly hostNames: readonly string[];
  readonly faces: Faces;
  /** Default 60; tests are less patient. */
  readonly idleSeconds?: number;
  /** Which way requests go; the usual one if left out. */
  readonly traffic?: Traffic;
  /** The process before this one listens too, and stops: otherwise the port must be ours alone. */
  readonly portShared?: boolean;
}

export interface RunningServer {
  readonly port: number;
  readonly url: string;
  /** A request that lasts is not an idle connection, however quiet it is: our own deadlines hold from here on. */
  mayBeQuiet(request: Request): void;
  /** Its reply is about to end: a connection on which nothing more comes is closed, as one is on which nothing came. */
  replyEnds(request: Request): void;
  /** Refuses new connections and resolves when the open ones have ended. */
  stop(): Promise<void>;
  /** Cuts what is still open. */
  kill(): void;
}

/** Where a server listens. Several may listen on one port: each certificate has a server of its own (`tls/`). */
export interface ListenWhere {
  readonly hostname: string;
  readonly port: number;
  /** PEM. Undefined: plain HTTP. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Two gateways on one port would share its requests in silence: only for servers of one process. */
  readonly reusePort: boolean;
  /** The client's address where the socket's peer is a front of our own, told by the port that the front calls from. */
  readonly clientOf?: (sourcePort: number) => string | undefined;
}

export interface OpenServer {
  readonly port: number;
  /** See `RunningServer.mayBeQuiet`; for a request of any server of this process. */
  idleAfter(request: Request, seconds: number): void;
  stop(): Promise<void>;
  kill(): void;
}

export type OpenServerAt = (where: ListenWhere) => OpenServer;

/** Seconds without a byte after which a connection is closed, unless its request may be quiet. At most 255 in Bun. */
const IDLE_SECONDS = 60;

/** The peers of requests that are being handled, for the faces. Entries go with their requests. */
const peers = new WeakMap<Request, string>();

/** The socket peer of a request that this server is handling; `unknown` for one that it is not. */
export const peerOf = (request: Request): string => peers.get(request) ?? 'unknown';

export function startServer(options: ServerOptions): RunningServer {
  const where = { hostname: options.host, port: options.port, reusePort: options.portShared ?? false };
  const server = serverOpener(options)(where);
  return runningServer(options, 'http', server, () => server);
}

/** What surrounding code knows of a server, or of several that take turns on one port. */
export function runningServer(
  { host, idleSeconds = IDLE_SECONDS }: ServerOptions,
  scheme: 'http' | 'https',
  server: Pick<OpenServer, 'port' | 'stop' | 'kill'>,
  current: () => Pick<OpenServer, 'idleAfter'>,
): RunningServer {
  return {
    port: server.port,
    url: `${scheme}://${host.includes(':') ? `[${host}]` : host}:${server.port}`,
    mayBeQuiet: (request) => current().idleAfter(request, 0),
    replyEnds: (request) => current().idleAfter(request, idleSeconds),
    stop: () => server.stop(),
    kill: () => server.kill(),
  };
}

/** Every check and face, for a request of a peer: what servers call, and who else takes requests in. */
export function answererOf(options: ServerOptions): (request: Request, peer: string) => Answer {
  const hostVerdict = createHostCheck(options.hostNames);
  const { faces, traffic = createTraffic() } = options;
  const byFaces = (request: Request, peer: string, path: string): Answer => {
    const serve = request.method === 'POST' ? faces.servedBy(path, queryOf(request.url)) : undefined;
    if (serve !== undefined && request.headers.get('upgrade') === null) return serve(request, peer);
    peers.set(request, peer);
    const answer = faceOf(faces, path, request);
    return path.startsWith('/v1/') || path.startsWith('/v1beta/') ? answer : traffic.counted(answer);
  };
  return (request, peer) => {
    const verdict = hostVerdict(request.headers.get('host'));
    if (verdict !== 'ok') return refusedHost(verdict);
    const path = pathOf(request.url);
    if (path === undefined) return clientError('not_found', { message: 'There is nothing at this path.' });
    const expectation = request.headers.get('expect');
    if (expectation !== null && expectation.toLowerCase() !== '100-continue') return refusedExpectation();
    if (traffic.unusual) return traffic.answer(request, peer, () => byFaces(request, peer, path));
    return byFaces(request, peer, path);
  };
}

/** A function that opens servers with the same faces and checks. */
export function serverOpener(options: ServerOptions): OpenServerAt {
  const answer = answererOf(options);
  const { idleSeconds: idleTimeout = IDLE_SECONDS } = options;
  return ({ hostname, port, tls, reusePort, clientOf }) => {
    const server = Bun.serve({
      hostname,
      port,
      reusePort,
      ...(tls === undefined ? {} : { tls: { ...tls } }),
      idleTimeout,
      // Or else the runtime answers `/bun:info` itself, to anybody, before our handler: its version, and the machine's.
      development: false,
      // One more than our own bound, which answers in the client's form; this one only guards bodies without a length.
      maxRequestBodySize: bounds.requestBodyBytes + 1024 * 1024,
      fetch(request, self) {
        const socket = self.requestIP(request);
        const peer = normalised(clientOf === undefined ? socket?.address : clientOf(socket?.port ?? 0));
        return answer(request, peer);
      },
      error: () => clientError('internal_error', { message: 'Tollgate failed to serve this request.' }),
    });
    return {
      port: server.port ?? port,
      idleAfter: (request, seconds) => server.timeout(request, seconds),
      stop: () => server.stop(),
      kill: () => void server.stop(true),
    };
  };
}

/** Only asked where a path has no meaning without it. */
function queryOf(url: string): string {
  const at = url.indexOf('?');
  return at < 0 ? '' : url.slice(at + 1);
}

/** Normalised forms of peers' addresses: most requests come from few of them. */
const normalForms = new Map<string, string>();
const NORMAL_FORMS_MAX = 10_000;

function normalised(address: string | undefined): string {
  if (address === undefined) return 'unknown';
  const known = normalForms.get(address);
  if (known !== undefined) return known;
  const normal = normaliseAddress(address) ?? 'unknown';
  if (normalForms.size >= NORMAL_FORMS_MAX) normalForms.clear();
  normalForms.set(address, normal);
  return normal;
}

function faceOf(faces: Faces, path: string, request: Request): Response | Promise<Response> {
  if (path.startsWith('/v1/') || path.startsWith('/v1beta/') || path.startsWith('/openai/')) {
    if (request.headers.get('upgrade') !== null)
      return clientError(
        'upgrade_required',
        { message: 'upgrade: websockets are not served here; send the request by HTTP.', field: 'upgrade' },
        protocolAt(path, request.headers),
      );
    return faces.client().then((face) => face(request));
  }
  if (path === '/admin' || path.startsWith('/admin/')) return faces.admin().then((face) => face(request));
  if (path === '/terms' || path.startsWith('/terms/')) return faces.terms().then((face) => face(request));
  return faces.public().then((face) => face(request));
}

/** What we do not promise to meet is refused (RFC 9110 section 10.1.1): a proxy before us may read it otherwise. */
const refusedExpectation = (): Response =>
  clientError('invalid_request', {
    message: 'expect: only `100-continue` is met; leave the header out.',
    field: 'expect',
  });

function refusedHost(verdict: 'invalid' | 'unknown'): Response {
  return verdict === 'invalid'
    ? clientError('invalid_host', { message: 'host: send one host name or address of this gateway.', field: 'host' })
    : clientError('unknown_host', {
        message:
          'host: this gateway does not answer to that name. Its operator allows names with --allowed-hosts or --public-url.',
        field: 'host',
      });
}
