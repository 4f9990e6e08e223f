// Makes terms documents for tests: a valid one whose parts can be replaced.

export interface TextParts {
  readonly document?: string;
  readonly version?: string;
  readonly effective?: string;
  readonly acceptance?: string;
  readonly body?: string;
}

export function termsText(parts: TextParts = {}): string {
  return `---
document: ${parts.document ?? 'service'}
version: ${parts.version ?? '2026-01'}
effective: ${parts.effective ?? '2026-01-01'}
title: Terms of the service
locale: en
governing-law: Law of nowhere
acceptance: ${parts.acceptance ?? 'use'}
---

# Terms

${
  parts.body ??
  `## S3.1 Regions {enforced, limits-liability, material}

Not everywhere.

## S7 Changes {recorded}

By going on.`
}
`;
}
