// One certificate from an authority (RFC 8555): account, order, proof of each name, certificate. The library signs and
// words the messages; what comes back is checked here before it is believed.

import { X509Certificate } from 'node:crypto';
import acme from 'acme-client';
import type { Clock } from '../../../core/clock.ts';
import { readPair } from '../certificate-pair.ts';
import type { AcmeStore } from './acme-store.ts';
import { oneLine } from './acme-refusal.ts';
import { challengeCertificate } from './challenge-certificate.ts';
import type { AcmeExchange } from './acme-exchange.ts';

export type ChallengeKind = 'http-01' | 'tls-alpn-01';

/** A name's open challenge and what proves it. */
export interface OpenChallenge {
  readonly domain: string;
  readonly token: string;
  readonly keyAuthorization: string;
  /** What TLS-ALPN shows; made for that kind only. PEM. */
  readonly certificate?: { readonly cert: string; readonly key: string };
}

export interface IssueOptions {
  readonly directory: string;
  readonly domains: readonly string[];
  readonly email: string | undefined;
  readonly kind: ChallengeKind;
  readonly store: AcmeStore;
  readonly exchange: AcmeExchange;
  readonly clock: Clock;
  /** Told a secret that is live from now on. */
  readonly guardSecret: (secret: string) => void;
  /** Answers all of them; resolves when they are answered everywhere. */
  readonly answer: (challenges: readonly OpenChallenge[]) => Promise<void>;
  readonly wait: (ms: number) => Promise<void>;
  readonly pollMs?: number;
}

export interface IssuedCertificate {
  readonly cert: string;
  readonly key: string;
}

const POLL_MS = 2_000;
const POLL_TRIES = 60;

type Client = InstanceType<typeof acme.Client>;

export async function issueCertificate(options: IssueOptions): Promise<IssuedCertificate> {
  const client = await registered(options);
  const order = await client.createOrder({ identifiers: options.domains.map((value) => ({ type: 'dns', value })) });
  const { authorizations } = order;
  if (!Array.isArray(authorizations) || authorizations.length > options.domains.length) {
    throw new Error('the certificate authority asks for proofs of names that were not ordered');
  }
  await prove(client, order, options);
  const [key, csr] = await acme.crypto.createCsr(
    { altNames: [...options.domains] },
    await acme.crypto.createPrivateEcdsaKey(),
  );
  options.guardSecret(key.toString());
  await poll(options, 'the order', async () => (await client.getOrder(order)).status, 'ready');
  await client.finalizeOrder(await client.getOrder(order), csr);
  await poll(options, 'the order', async () => (await client.getOrder(order)).status, 'valid');
  const cert = await client.getCertificate(await client.getOrder(order));
  return checked({ cert: String(cert), key: key.toString() }, options);
}

/** The key is on the disk before the authority hears of it: an account whose key is lost is of no use to anybody. */
async function registered(options: IssueOptions): Promise<Client> {
  const { directory, store, email } = options;
  let key = store.account(directory)?.key;
  if (key === undefined) {
    key = (await acme.crypto.createPrivateEcdsaKey()).toString();
    store.saveAccount({ directory, key });
  }
  options.guardSecret(key);
  useExchange(options.exchange);
  const client = new acme.Client({ directoryUrl: directory, accountKey: key });
  // Found again by its key where it exists.
  await client.createAccount({
    termsOfServiceAgreed: true,
    ...(email === undefined ? {} : { contact: [`mailto:${email}`] }),
  });
  return client;
}

async function prove(
  client: Client,
  order: Awaited<ReturnType<Client['createOrder']>>,
  options: IssueOptions,
): Promise<void> {
  const found = await client.getAuthorizations(order);
  const open: { readonly challenge: Parameters<Client['completeChallenge']>[0]; readonly answer: OpenChallenge }[] = [];
  for (const authorization of found) {
    const domain = String(authorization.identifier?.value ?? '').toLowerCase();
    if (!options.domains.includes(domain))
      throw new Error('the certificate authority asks for a name that was not ordered');
    if (authorization.status === 'valid') continue;
    const challenge = authorization.challenges?.find(({ type }) => type === options.kind);
    if (challenge === undefined)
      throw new Error(`the certificate authority does not offer ${options.kind} for ${domain}`);
    const keyAuthorization = await client.getChallengeKeyAuthorization(challenge);
    open.push({ challenge, answer: await answerOf(options, domain, challenge.token, keyAuthorization) });
  }
  if (open.length === 0) return;
  await options.answer(open.map(({ answer }) => answer));
  for (const { challenge } of open) await client.completeChallenge(challenge);
  let reason = '';
  const standing = async () => {
    const now = await client.getAuthorizations(order);
    const failed = now.find(({ status }) => status !== 'valid' && status !== 'pending');
    if (failed !== undefined) {
      const detail = failed.challenges?.find(({ type }) => type === options.kind)?.error;
      reason = ` of ${failed.identifier.value}: ${oneLine(detailOf(detail))}`;
      return failed.status;
    }
    return now.every(({ status }) => status === 'valid') ? 'valid' : 'pending';
  };
  await poll(options, () => `the proof${reason}`, standing, 'valid');
}

const detailOf = (error: unknown): string =>
  typeof error === 'object' && error !== null && 'detail' in error ? String(error.detail) : 'no reason given';

async function answerOf(options: IssueOptions, domain: string, token: string, proof: string): Promise<OpenChallenge> {
  if (options.kind === 'http-01') return { domain, token, keyAuthorization: proof };
  const certificate = await challengeCertificate(domain, proof, options.clock.now());
  return { domain, token, keyAuthorization: proof, certificate };
}

async function poll(
  options: Pick<IssueOptions, 'wait' | 'pollMs'>,
  what: string | (() => string),
  ask: () => Promise<string>,
  wanted: string,
): Promise<void> {
  for (let tries = 0; tries < POLL_TRIES; tries++) {
    const status = await ask();
    if (status === wanted || status === 'valid') return;
    if (status !== 'pending' && status !== 'processing' && status !== 'ready') {
      throw new Error(`${typeof what === 'string' ? what : what()} (${oneLine(String(status))})`);
    }
    await options.wait(options.pollMs ?? POLL_MS);
  }
  throw new Error(`${typeof what === 'string' ? what : what()} was not decided in time`);
}

function checked(issued: IssuedCertificate, options: IssueOptions): IssuedCertificate {
  const reading = readPair(issued.cert, issued.key, options.clock.now());
  if (!reading.ok) throw new Error(`the certificate that was issued ${reading.problem}`);
  const leaf = new X509Certificate(issued.cert);
  const missing = options.domains.find((domain) => leaf.checkHost(domain) === undefined);
  if (missing !== undefined) throw new Error(`the certificate that was issued does not hold for ${missing}`);
  return issued;
}

/**
 * The library keeps one HTTP client for all of its users. Waiting is ours: a "retry after" of hours must not be slept
 * through inside of it.
 */
function useExchange(exchange: AcmeExchange): void {
  const { defaults } = acme.axios;
  Object.assign(defaults, {
    acmeSettings: { retryMaxAttempts: 0, retryDefaultDelay: 0 },
    adapter: async (config: unknown) => {
      const request = requestOf(config);
      const reply = await exchange.send(request);
      return { ...reply, statusText: '', config, request: undefined };
    },
  });
}

function requestOf(config: unknown) {
  const fields: Readonly<Record<string, unknown>> = typeof config === 'object' && config !== null ? { ...config } : {};
  const { url, method, data } = fields;
  const headers = Object.entries(Object(fields['headers'])).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  return {
    url: String(url),
    method: String(method).toUpperCase(),
    headers: Object.fromEntries(headers),
    body: typeof data === 'string' ? data : undefined,
  };
}
