// The tokenizer's tables as what `with { type: 'file' }` makes of them: a path, also inside the executable.

declare module 'gpt-tokenizer/data/o200k_base.tiktoken' {
  const path: string;
  export default path;
}
