// Gemini names the model and what is asked of it in the path.

export function geminiPath(model: string, verb: string): string {
  // A name that is no text at all cannot be encoded, nor served; and dots would mean another path.
  if (model === '' || model === '.' || model === '..' || !model.isWellFormed()) {
    throw new Error('no model has such a name');
  }
  return `/models/${encodeURIComponent(model)}:${verb}`;
}
