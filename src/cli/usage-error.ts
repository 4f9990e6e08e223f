// What the person at the terminal got wrong: its message is shown without a stack.

export class UsageError extends Error {}
