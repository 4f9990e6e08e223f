// How each agent is pointed at a gateway and given its task, and how its output shows that both calls were made and
// answered.

export interface AgentTarget {
  readonly url: string;
  readonly apiKey: string;
  readonly model: string;
  readonly home: string;
}

export interface Agent {
  readonly name: string;
  /** Path below `node_modules`. */
  readonly program: string;
  readonly byNode: boolean;
  /** Files of its home. */
  files(target: AgentTarget): Readonly<Record<string, string>>;
  command(target: AgentTarget): {
    readonly words: readonly string[];
    readonly environment: Readonly<Record<string, string>>;
  };
  /** `ok`, or what is missing. */
  verdict(output: string, errors: string): string;
}

/** The simulator calls what it is told to call. */
const twice = (tool: string, one: object, two: object): string =>
  `call ${tool} ${JSON.stringify(one)} and call ${tool} ${JSON.stringify(two)}`;

const shown = (output: string, errors: string, ...texts: readonly string[]): string => {
  const missing = texts.filter((text) => !output.includes(text));
  return missing.length === 0 ? 'ok' : `no ${missing.join(', ')} in ${(output + errors).slice(-600)}`;
};

const claude: Agent = {
  name: 'Claude Code 2.1.330',
  program: '@anthropic-ai/claude-code-linux-x64/claude',
  byNode: false,
  files: () => ({}),
  command: ({ url, apiKey, model }) => ({
    words: [
      '-p',
      twice('Bash', { command: 'echo one', description: 'a' }, { command: 'echo two', description: 'b' }),
      '--model',
      model,
      '--output-format',
      'stream-json',
      '--verbose',
      '--allowedTools',
      'Bash',
    ],
    environment: {
      IS_SANDBOX: '1',
      ANTHROPIC_BASE_URL: url,
      ANTHROPIC_API_KEY: apiKey,
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    },
  }),
  verdict: (output, errors) => shown(output, errors, '"content":"one"', '"content":"two"', '"subtype":"success"'),
};

const codex: Agent = {
  name: 'Codex 0.169.0',
  program: '@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex',
  byNode: false,
  files: ({ url, model }) => ({
    '.codex/config.toml': [
      `model = "${model}"`,
      'model_provider = "tollgate"',
      '[model_providers.tollgate]',
      'name = "tollgate"',
      `base_url = "${url}/v1"`,
      'env_key = "TOLLGATE_KEY"',
      'wire_api = "responses"',
      '',
    ].join('\n'),
  }),
  command: ({ apiKey }) => ({
    words: [
      'exec',
      '--skip-git-repo-check',
      '--dangerously-bypass-approvals-and-sandbox',
      '--json',
      twice('exec_command', { cmd: 'echo one' }, { cmd: 'echo two' }),
    ],
    environment: { TOLLGATE_KEY: apiKey },
  }),
  verdict: (output, errors) =>
    shown(output, errors, '"aggregated_output":"one\\n"', '"aggregated_output":"two\\n"', '"turn.completed"'),
};

const gemini: Agent = {
  name: 'Gemini CLI 0.61.0',
  program: '@google/gemini-cli/bundle/gemini.js',
  byNode: true,
  files: () => ({ '.gemini/settings.json': '{"security":{"auth":{"selectedType":"gemini-api-key"}}}' }),
  command: ({ url, apiKey, model }) => ({
    words: [
      '-m',
      model,
      '-y',
      '-o',
      'json',
      '-p',
      twice('run_shell_command', { command: 'echo one', description: 'a' }, { command: 'echo two', description: 'b' }),
    ],
    environment: { GOOGLE_GEMINI_BASE_URL: url, GEMINI_API_KEY: apiKey, GEMINI_CLI_TRUST_WORKSPACE: 'true' },
  }),
  verdict: (output, errors) => shown(output, errors, '"totalCalls": 2', '"totalSuccess": 2', '"totalErrors": 0'),
};

/** The provider that it brings for each protocol; Tollgate's model decides what is behind it. */
const opencode = (npm: string, path: string): Agent => ({
  name: `opencode 1.18.33 with ${npm}`,
  program: 'opencode-linux-x64/bin/opencode',
  byNode: false,
  files: ({ url, apiKey, model }) => ({
    'opencode.json': JSON.stringify({
      provider: {
        tollgate: {
          npm,
          name: 'tollgate',
          options: { baseURL: `${url}${path}`, apiKey },
          models: { [model]: { name: model } },
        },
      },
      model: `tollgate/${model}`,
      small_model: `tollgate/${model}`,
      permission: { bash: 'allow' },
    }),
  }),
  command: ({ model }) => ({
    words: [
      'run',
      twice('bash', { command: 'echo one', description: 'a' }, { command: 'echo two', description: 'b' }),
      '-m',
      `tollgate/${model}`,
      '--format',
      'json',
    ],
    environment: {},
  }),
  verdict: (output, errors) => shown(output, errors, 'one\\n', 'two\\n', '"text"'),
});

export const agents: readonly Agent[] = [
  claude,
  codex,
  gemini,
  opencode('@ai-sdk/openai-compatible', '/v1'),
  opencode('@ai-sdk/openai', '/v1'),
  opencode('@ai-sdk/anthropic', '/v1'),
  opencode('@ai-sdk/google', '/v1beta'),
];
