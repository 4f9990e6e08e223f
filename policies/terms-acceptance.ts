// `terms-acceptance`: nobody goes on under terms that they have not accepted. A document accepted by use is
// recorded as accepted by this very use; one that wants explicit acceptance refuses until this version was
// accepted by name.

import {
  Type,
  allow,
  definePolicy,
  gates,
  type Decision,
  type Obligation,
  type TermsStanding,
} from 'tollgate/plugin';

const options = Type.Object(
  {
    gates: Type.Optional(
      Type.Array(Type.Union(gates.map((gate) => Type.Literal(gate))), {
        description: 'Where it is asked. Default: use.',
        minItems: 1,
        uniqueItems: true,
      }),
    ),
    documents: Type.Optional(
      Type.Array(Type.String({ pattern: '^[a-z][a-z0-9-]*$' }), {
        description: 'Names of the documents that it minds. Default: every document in force.',
        minItems: 1,
        uniqueItems: true,
      }),
    ),
    clauses: Type.Optional(
      Type.Array(Type.String({ pattern: '^[A-Za-z][A-Za-z0-9]*(?:\\.[0-9]+)*$' }), {
        description: 'The clauses that it makes true; a refusal names the first. Default S7.',
        minItems: 1,
        uniqueItems: true,
      }),
    ),
  },
  { additionalProperties: false },
);

function refusal(standing: TermsStanding, clause: string): Decision {
  const { document, version } = standing;
  return {
    verdict: 'deny',
    code: 'terms_required',
    clause,
    message: `Version ${version} of the terms document "${document}" is in force and this account has not accepted it (clause ${clause}).`,
    remedy: `Read it at /terms/${document}, then accept it: POST /terms/acceptances with its document, version and sha256.`,
    link: `/terms/${document}`,
  };
}

export const termsAcceptance = definePolicy({
  name: 'terms-acceptance',
  version: '1.0.0',
  summary:
    'Refuses use under terms that want an explicit acceptance and have none; records acceptance by use.',
  options,
  create(chosen) {
    const documents = chosen.documents === undefined ? undefined : new Set(chosen.documents);
    const clauses = chosen.clauses ?? ['S7'];
    const clause = clauses[0] ?? 'S7';
    return {
      gates: chosen.gates ?? ['use'],
      asks: 'request',
      clauses,
      onFailure: 'deny',
      deadlineMs: 1_000,
      judge(facts) {
        let obligations: Obligation[] | undefined;
        for (const standing of facts.terms) {
          if (standing.acceptedAt !== undefined) continue;
          if (documents !== undefined && !documents.has(standing.document)) continue;
          if (standing.acceptance === 'explicit') return refusal(standing, clause);
          // Paying or signing up is not yet going on using the service: only the gate `use` makes an
          // acceptance.
          if (facts.gate !== 'use') continue;
          const { document, version, sha256 } = standing;
          (obligations ??= []).push({ kind: 'record-acceptance', document, version, sha256 });
        }
        return obligations === undefined ? allow : { verdict: 'allow', obligations };
      },
    };
  },
});

export default termsAcceptance;
