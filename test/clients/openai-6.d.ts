// The older major has the methods that are used here in the same form; its types differ in private members alone.

declare module 'openai-6' {
  export { default } from 'openai';
}
