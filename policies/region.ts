// `region`: refuses clients from a set of countries. The set is explicit, so CN does not cover HK, MO or TW;
// an unknown country gets the configured verdict, which is to refuse unless the operator says otherwise.

import {
  Type,
  allow,
  countryOfCode,
  definePolicy,
  gates,
  type Country,
  type Decision,
} from 'tollgate/plugin';

type Denial = Extract<Decision, { readonly verdict: 'deny' }>;

const options = Type.Object(
  {
    denied: Type.Array(Type.String({ pattern: '^(?:[A-Z]{2}|CN-(?:HK|MO|TW))$' }), {
      description:
        'ISO 3166-1 alpha-2 codes of the countries that are refused. CN-HK, CN-MO and CN-TW mean HK, MO and TW.',
      minItems: 1,
      maxItems: 300,
    }),
    unknown: Type.Optional(
      Type.Union([Type.Literal('deny'), Type.Literal('allow')], {
        description: 'The verdict for clients whose country no source can tell. Default deny.',
      }),
    ),
    gates: Type.Optional(
      Type.Array(Type.Union(gates.map((gate) => Type.Literal(gate))), {
        description: 'Where it is asked. Default: access, register, top-up and use.',
        minItems: 1,
        uniqueItems: true,
      }),
    ),
    clauses: Type.Optional(
      Type.Array(Type.String({ pattern: '^[A-Za-z][A-Za-z0-9]*(?:\\.[0-9]+)*$' }), {
        description: 'The clauses that it makes true; a refusal names the first. Default S3.1.',
        minItems: 1,
        uniqueItems: true,
      }),
    ),
    document: Type.Optional(
      Type.String({
        description:
          'The terms document in which the clause stands, for the link. Default: the list of all documents.',
        pattern: '^[a-z][a-z0-9-]*$',
        maxLength: 64,
      }),
    ),
  },
  { additionalProperties: false },
);

/** Every refusal is made once, at start: judging is one look-up and allocates nothing. */
function denials(denied: readonly string[], clause: string, link: string): ReadonlyMap<Country, Denial> {
  const refusal = (message: string, remedy: string): Denial =>
    Object.freeze({ verdict: 'deny', code: 'region_restricted', clause, message, remedy, link });
  const refusals = denied
    .map(countryOfCode)
    .map(
      (country) =>
        [
          country,
          refusal(
            `This service is not offered in your country or region (${country}).`,
            'Use it from a country or region where it is offered, and only as the law there and the terms allow.',
          ),
        ] as const,
    );
  const unknown = refusal(
    'The country or region of your network address could not be told, and this service is not offered everywhere.',
    'Connect directly, without anonymising networks; if that does not help, ask the operator of this service.',
  );
  return new Map<Country, Denial>([...refusals, ['unknown', unknown]]);
}

export const region = definePolicy({
  name: 'region',
  version: '1.0.0',
  summary:
    'Refuses clients from a set of countries; the unknown are refused too unless the options say otherwise.',
  options,
  create(chosen) {
    const nowhere = chosen.denied.find((code) => countryOfCode(code) === 'unknown');
    if (nowhere !== undefined) {
      throw new Error(
        `denied: ${nowhere} is no country of ISO 3166-1; use the option "unknown" for clients without one`,
      );
    }
    const clauses = chosen.clauses ?? ['S3.1'];
    const link = chosen.document === undefined ? '/terms' : `/terms/${chosen.document}`;
    const refusals = denials(chosen.denied, clauses[0] ?? 'S3.1', link);
    const whenUnknown: Decision =
      (chosen.unknown ?? 'deny') === 'deny' ? (refusals.get('unknown') ?? allow) : allow;
    return {
      gates: chosen.gates ?? gates,
      asks: 'request',
      clauses,
      onFailure: 'deny',
      deadlineMs: 1_000,
      judge(facts) {
        const country = countryOfCode(facts.country);
        return country === 'unknown' ? whenUnknown : (refusals.get(country) ?? allow);
      },
    };
  },
});

export default region;
