// Terms documents are imported as text, with `with { type: 'text' }`, so that they are compiled into the
// executable.

declare module '*.md' {
  const text: string;
  export default text;
}
