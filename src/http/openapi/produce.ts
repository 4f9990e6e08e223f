// From an app's routes to its document: @elysiajs/swagger reads the routes, normalise.ts makes the result
// valid, and what holds for the whole face (errors, security, idempotency) is added once here instead of in
// every route.

import { Elysia } from 'elysia';
import type { AnyElysia } from 'elysia';
import { isObject, mapMembers, objectOf, parseOwnJson, without } from './json.ts';
import type { Json, JsonObject } from './json.ts';
import { normalise } from './normalise.ts';
import { problemComponents, problemReference, problemSchema } from './problem-responses.ts';

/** What a document says besides its routes. */
export interface FaceDescription {
  readonly title: string;
  readonly description: string;
  readonly version: string;
  readonly securitySchemes: JsonObject;
  /** What every operation needs unless its route says otherwise; empty for a public face. */
  readonly security: readonly JsonObject[];
  readonly tags: Readonly<Record<string, string>>;
  /** Whether POSTs of this face keep the promise of the header `Idempotency-Key`. */
  readonly idempotencyKeys: boolean;
}

const SPEC_PATH = '/openapi-of-routes';

export async function produceDocument(app: AnyElysia, face: FaceDescription): Promise<JsonObject> {
  // Loaded when a document is asked for, not when the gateway starts.
  const { swagger } = await import('@elysiajs/swagger');
  const producer = new Elysia()
    .use(
      swagger({
        path: SPEC_PATH,
        specPath: `${SPEC_PATH}/json`,
        provider: 'swagger-ui',
        excludeStaticFile: false,
        exclude: [SPEC_PATH, `${SPEC_PATH}/json`],
      }),
    )
    .use(app);
  const response = await producer.handle(new Request(`http://localhost${SPEC_PATH}/json`));
  if (!response.ok) throw new Error(`the routes could not be described: status ${response.status}`);
  return decorate(normalise(objectOf(parseOwnJson(await response.text()))), face);
}

export function decorate(document: JsonObject, face: FaceDescription): JsonObject {
  const used = new Set<number>();
  const paths = mapMembers(sorted(objectOf(document['paths'])), (item, path) =>
    mapMembers(objectOf(item), (operation, method) => decorateOperation(objectOf(operation), method, path, face, used)),
  );
  const tags = [
    ...new Set(Object.values(paths).flatMap((item) => Object.values(objectOf(item)).flatMap(tagsOf))),
  ].toSorted();
  const components = objectOf(document['components']);
  return {
    openapi: document['openapi'] ?? '',
    info: {
      title: face.title,
      version: face.version,
      description: face.description,
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/', description: 'This gateway' }],
    tags: tags.map((name) => ({ name, ...(face.tags[name] === undefined ? {} : { description: face.tags[name] }) })),
    ...(face.security.length === 0 ? {} : { security: face.security }),
    paths,
    components: {
      schemas: { ...sorted(objectOf(components['schemas'])), Problem: problemSchema },
      responses: problemComponents([...used].toSorted((left, right) => left - right)),
      ...(face.idempotencyKeys ? { parameters: { IdempotencyKey: idempotencyParameter } } : {}),
      securitySchemes: face.securitySchemes,
    },
  };
}

function decorateOperation(
  operation: JsonObject,
  method: string,
  path: string,
  face: FaceDescription,
  used: Set<number>,
): JsonObject {
  const guarded = Array.isArray(operation['security']) ? operation['security'].length > 0 : face.security.length > 0;
  const repeatable = method === 'post' && face.idempotencyKeys;
  const statuses = [
    400,
    ...(guarded ? [401, 403] : []),
    ...(path.includes('{') ? [404] : []),
    ...(method === 'get' ? [] : [409]),
    ...('requestBody' in operation ? [413, 415] : []),
    ...(repeatable ? [422] : []),
    429,
    500,
    503,
  ];
  const declared = objectOf(operation['responses']);
  const problems: Record<string, Json> = {};
  for (const status of statuses) {
    const own = declared[String(status)];
    if (own !== undefined && isObject(own) && 'content' in own && !('application/json' in objectOf(own['content'])))
      continue;
    problems[String(status)] = problemReference(status);
    used.add(status);
  }
  const listed = Array.isArray(operation['parameters']) ? operation['parameters'] : [];
  const parameters = repeatable ? [...listed, { $ref: '#/components/parameters/IdempotencyKey' }] : listed;
  return {
    ...without(operation, 'x-idempotency', 'parameters', 'responses'),
    ...(parameters.length === 0 ? {} : { parameters }),
    responses: { ...declared, ...problems },
  };
}

const idempotencyParameter: JsonObject = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description:
    'A text of your own. The same key with the same request gives the first answer again and does nothing twice; ' +
    'keys and secrets that were shown once are null in it.',
  schema: { type: 'string', minLength: 1, maxLength: 200 },
};

const tagsOf = (operation: Json): readonly string[] => {
  const tags = objectOf(operation)['tags'];
  return Array.isArray(tags) ? tags.filter((tag: Json): tag is string => typeof tag === 'string') : [];
};

const sorted = (object: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(object).toSorted(([left], [right]) => (left < right ? -1 : 1)));
