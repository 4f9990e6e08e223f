// A certificate authority of our own for tests: a faithful mock of RFC 8555 and RFC 8737, not a real one. It checks
// nonces, signatures and addresses of messages, really proves names over HTTP and TLS, reads the request for a
// certificate, and issues from a root of its own. Its misbehaviour is chosen by the test.

import { createPublicKey, verify } from 'node:crypto';
import { certificateAuthority, namesOfRequest, type CertificateAuthority } from './certificate-authority.ts';
import { proveByHttp, proveByTls } from './prove-name.ts';

export interface AcmeServerOptions {
  /** Where names are proven, instead of ports 80 and 443 of their addresses. */
  readonly httpPort?: () => number;
  readonly tlsPort?: () => number;
  /** Looks at each request first; a response of its own replaces the server's. */
  readonly interfere?: (path: string, count: number) => Response | undefined;
  /** Refuses this share of nonces, as some authorities do to keep clients honest. */
  readonly refusedNonces?: number;
  /** Lifetime of certificates in days. */
  readonly days?: number;
  /** Whose names the certificate has, instead of the ordered ones. */
  readonly otherNames?: readonly string[];
}

export interface AcmeServer {
  readonly directory: string;
  readonly authority: CertificateAuthority;
  /** Paths that were asked, in order. */
  readonly asked: string[];
  readonly accounts: () => number;
  readonly issued: () => number;
  stop(): void;
}

/** An elliptic key, as clients of today have. */
interface Jwk {
  readonly crv: string;
  readonly kty: string;
  readonly x: string;
  readonly y: string;
}

interface Authorization {
  readonly domain: string;
  readonly token: string;
  status: 'pending' | 'valid' | 'invalid';
  error?: { readonly type: string; readonly detail: string };
}

interface Order {
  readonly authorizations: readonly string[];
  readonly domains: readonly string[];
  account: string;
  status: 'pending' | 'ready' | 'processing' | 'valid' | 'invalid';
  polls: number;
  certificate?: string;
}

type Message = {
  readonly account: string;
  readonly payload: Readonly<Record<string, unknown>> | undefined;
  readonly jwk: Jwk;
};

const problem = (status: number, type: string, detail: string, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify({ type: `urn:ietf:params:acme:error:${type}`, detail, status }), {
    status,
    headers: { 'content-type': 'application/problem+json', ...headers },
  });

export async function startAcmeServer(options: AcmeServerOptions = {}): Promise<AcmeServer> {
  const authority = await certificateAuthority();
  const nonces = new Set<string>();
  const accounts = new Map<string, Jwk>();
  const orders = new Map<string, Order>();
  const proofs = new Map<string, Authorization>();
  const certificates = new Map<string, string>();
  const asked: string[] = [];
  let nonceCount = 0;
  let certificateCount = 0;

  const newNonce = () => {
    const nonce = crypto.randomUUID();
    nonces.add(nonce);
    return nonce;
  };

  /** RFC 8555 section 6: a nonce once, the address that was signed, the key that is known. */
  const readMessage = async (request: Request): Promise<Message | Response> => {
    if (request.headers.get('content-type') !== 'application/jose+json')
      return problem(415, 'malformed', 'content type');
    const body: unknown = await request.json();
    const { protected: head = '', payload = '', signature = '' } = Object(body);
    const header = Object(JSON.parse(Buffer.from(String(head), 'base64url').toString()));
    if (header.url !== request.url) return problem(401, 'unauthorized', 'another address was signed');
    nonceCount += 1;
    const refused = options.refusedNonces !== undefined && nonceCount % Math.round(1 / options.refusedNonces) === 0;
    if (!nonces.delete(header.nonce) || refused) return problem(400, 'badNonce', 'nonce');
    const jwk: Jwk | undefined = header.jwk ?? accounts.get(header.kid);
    if (jwk === undefined) return problem(400, 'accountDoesNotExist', 'account');
    const genuine = verify(
      'sha256',
      Buffer.from(`${String(head)}.${String(payload)}`),
      { key: createPublicKey({ key: { ...jwk }, format: 'jwk' }), dsaEncoding: 'ieee-p1363' },
      Buffer.from(String(signature), 'base64url'),
    );
    if (!genuine) return problem(401, 'unauthorized', 'signature');
    const account = header.kid ?? `${new URL(request.url).origin}/account/${thumbprint(jwk)}`;
    const text = Buffer.from(String(payload), 'base64url').toString();
    return { account, jwk, payload: text === '' ? undefined : Object(JSON.parse(text)) };
  };

  const answer = async (request: Request): Promise<Response> => {
    const { pathname: path, origin } = new URL(request.url);
    const id = path.split('/')[2] ?? '';
    if (path === '/directory') {
      const at = (name: string) => `${origin}/${name}`;
      return Response.json({
        newNonce: at('nonce'),
        newAccount: at('account'),
        newOrder: at('order'),
        revokeCert: at('revoke'),
        keyChange: at('key'),
        meta: { termsOfService: at('terms') },
      });
    }
    if (path === '/nonce') return new Response(null);
    const message = await readMessage(request);
    if (message instanceof Response) return message;
    const { account, payload, jwk } = message;
    if (path === '/account') {
      if (payload?.['termsOfServiceAgreed'] !== true) return problem(403, 'userActionRequired', 'terms');
      const status = accounts.has(account) ? 200 : 201;
      accounts.set(account, jwk);
      return Response.json({ status: 'valid' }, { status, headers: { location: account } });
    }
    if (!accounts.has(account)) return problem(400, 'accountDoesNotExist', 'account');
    if (path.startsWith('/account/')) return Response.json({ status: 'valid' });
    if (path === '/order') return newOrder(origin, account, payload);
    if (path.startsWith('/proof/')) {
      const found = proofs.get(id);
      return found === undefined
        ? problem(404, 'malformed', 'proof')
        : Response.json(authorizationJson(origin, id, found));
    }
    if (path.startsWith('/challenge/')) return challenge(origin, id, path.split('/')[3] ?? '', accounts.get(account));
    if (path.startsWith('/certificate/')) {
      const chain = certificates.get(id);
      if (chain === undefined) return problem(404, 'malformed', 'certificate');
      return new Response(chain, { headers: { 'content-type': 'application/pem-certificate-chain' } });
    }
    const order = orders.get(id);
    if (order === undefined || order.account !== account) return problem(404, 'malformed', 'order');
    if (path.startsWith('/finalize/')) return finalize(origin, id, order, payload);
    // Issuing takes a while at real authorities.
    if (order.status === 'processing' && ++order.polls > 1) order.status = 'valid';
    return Response.json(orderJson(origin, id, order));
  };

  const newOrder = (origin: string, account: string, payload: Message['payload']) => {
    const identifiers: unknown = payload?.['identifiers'];
    const domains = Array.isArray(identifiers) ? identifiers.map((item) => String(Object(item).value)) : [];
    if (domains.length === 0) return problem(400, 'malformed', 'no names');
    const authorizations = domains.map((domain) => {
      const id = crypto.randomUUID();
      const token = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64url');
      proofs.set(id, { domain, token, status: 'pending' });
      return id;
    });
    const id = crypto.randomUUID();
    orders.set(id, { account, domains, authorizations, status: 'pending', polls: 0 });
    return Response.json(orderJson(origin, id, orders.get(id)), {
      status: 201,
      headers: { location: `${origin}/orders/${id}` },
    });
  };

  const challenge = async (origin: string, id: string, kind: string, jwk: Jwk | undefined) => {
    const found = proofs.get(id);
    if (found === undefined || jwk === undefined) return problem(404, 'malformed', 'challenge');
    const proof = `${found.token}.${thumbprint(jwk)}`;
    const fault =
      kind === 'http-01'
        ? await proveByHttp(found.domain, options.httpPort?.() ?? 0, found.token, proof)
        : await proveByTls(found.domain, options.tlsPort?.() ?? 0, proof);
    found.status = fault === undefined ? 'valid' : 'invalid';
    if (fault !== undefined) found.error = { type: 'urn:ietf:params:acme:error:unauthorized', detail: fault };
    for (const order of orders.values()) {
      if (order.status === 'pending' && order.authorizations.every((each) => proofs.get(each)?.status === 'valid')) {
        order.status = 'ready';
      }
    }
    return Response.json(challengeJson(origin, id, kind, found));
  };

  const finalize = async (origin: string, id: string, order: Order, payload: Message['payload']) => {
    if (order.status !== 'ready') return problem(403, 'orderNotReady', `the order is ${order.status}`);
    const request = Buffer.from(String(payload?.['csr']), 'base64url');
    const names = await namesOfRequest(request);
    if (names.toSorted().join() !== order.domains.toSorted().join()) return problem(400, 'badCSR', 'other names');
    certificates.set(id, await authority.issue(request, options.otherNames ?? names, options.days ?? 90));
    certificateCount += 1;
    order.status = 'processing';
    order.certificate = `${origin}/certificate/${id}`;
    return Response.json(orderJson(origin, id, order));
  };

  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      const { pathname } = new URL(request.url);
      asked.push(pathname);
      const response = options.interfere?.(pathname, asked.length) ?? (await answer(request));
      response.headers.set('replay-nonce', newNonce());
      return response;
    },
    error: (error) => problem(500, 'serverInternal', error.message),
  });
  return {
    directory: `http://127.0.0.1:${server.port}/directory`,
    authority,
    asked,
    accounts: () => accounts.size,
    issued: () => certificateCount,
    stop: () => void server.stop(true),
  };
}

/** RFC 7638. */
const thumbprint = ({ crv, kty, x, y }: Jwk): string =>
  new Bun.CryptoHasher('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url');

const orderJson = (origin: string, id: string, order: Order | undefined) => ({
  status: order?.status,
  identifiers: order?.domains.map((value) => ({ type: 'dns', value })),
  authorizations: order?.authorizations.map((each) => `${origin}/proof/${each}`),
  finalize: `${origin}/finalize/${id}`,
  ...(order?.status === 'valid' ? { certificate: order.certificate } : {}),
});

const challengeJson = (origin: string, id: string, type: string, { token, status, error }: Authorization) => ({
  type,
  token,
  status,
  url: `${origin}/challenge/${id}/${type}`,
  ...(error === undefined ? {} : { error }),
});

const authorizationJson = (origin: string, id: string, found: Authorization) => ({
  identifier: { type: 'dns', value: found.domain },
  status: found.status,
  challenges: ['http-01', 'dns-01', 'tls-alpn-01'].map((type) => challengeJson(origin, id, type, found)),
});
