// The older majors have the methods that are used here in the same form; their types differ in private members alone.

declare module 'openai-6' {
  export { default } from 'openai';
}

declare module 'anthropic-sdk-0' {
  export { default } from '@anthropic-ai/sdk';
}

declare module 'genai-2' {
  export { GoogleGenAI } from '@google/genai';
}
