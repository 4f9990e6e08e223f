// Calls without a result so far. Each is found and taken at once, however many there are: a body may hold a hundred
// thousand, answered in any order.

export interface OpenCall {
  readonly id: string;
  readonly name: string;
}

interface Entry extends OpenCall {
  answered: boolean;
}

/** In their order; those that were answered elsewhere are passed by, once. */
class Queue {
  readonly #entries: Entry[] = [];
  #next = 0;

  add(entry: Entry): void {
    this.#entries.push(entry);
  }

  first(): Entry | undefined {
    while (this.#entries[this.#next]?.answered === true) this.#next++;
    return this.#entries[this.#next];
  }
}

type Queues = Map<string, Queue>;

function add(queues: Queues, key: string, entry: Entry): void {
  const queue = queues.get(key) ?? new Queue();
  queues.set(key, queue);
  queue.add(entry);
}

export class OpenCalls {
  readonly #byId: Queues = new Map();
  readonly #byName: Queues = new Map();
  /** Of calls that came without an id: their client may make one up for the result. */
  readonly #unnumbered: Queues = new Map();

  add(call: OpenCall, idStated: boolean): void {
    const entry = { ...call, answered: false };
    add(this.#byId, call.id, entry);
    add(this.#byName, call.name, entry);
    if (!idStated) add(this.#unnumbered, call.name, entry);
  }

  /** The call that a result is of: by its id; else the first of its name, if one of the two has no id. */
  take(id: string | undefined, name: string | undefined): OpenCall | undefined {
    const numbered = id === undefined ? undefined : this.#byId.get(id)?.first();
    const queues = id === undefined ? this.#byName : this.#unnumbered;
    const call = numbered ?? (name === undefined ? undefined : queues.get(name)?.first());
    if (call !== undefined) call.answered = true;
    return call;
  }
}
