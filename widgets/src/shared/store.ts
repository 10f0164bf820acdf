/** The state of one run as the page knows it: applies ops in order, notices gaps, takes snapshots. No DOM. */
import { isLive, type Item, type Op, type Pause, type Question, type Snapshot, type Status, type Up } from "./protocol";

export interface State {
  /** Number of the last op applied. */
  readonly n: number;
  /** In the order drawn. An item is replaced when it changes, never altered, so a view may compare by identity. */
  readonly items: ReadonlyMap<string, Item>;
  readonly status: Status;
  /** `performance.now()` when `status` arrived; the view counts seconds on from here. */
  readonly statusAt: number;
  readonly question: Question | null;
  /** The person pressed Stop. */
  readonly stopAsked: boolean;
  /** What the person pressed of these last; null once the kernel tells of it. */
  readonly pauseAsked: "pause" | "resume" | "step" | null;
  /** Id of the question the person has answered here. */
  readonly answerSent: string | null;
}

/** Ids of the items touched, or "all" after a snapshot. */
export type Touched = ReadonlySet<string> | "all";
export type Listener = (state: State, touched: Touched) => void;

const NOTHING: Touched = new Set();
const FIRST_RETRY_MS = 2000;

export class Store {
  readonly #items = new Map<string, Item>();
  readonly #listeners = new Set<Listener>();
  #state: State = {
    n: 0,
    items: this.#items,
    status: { state: "running" },
    statusAt: performance.now(),
    question: null,
    stopAsked: false,
    pauseAsked: null,
    answerSent: null,
  };
  /** Highest op number heard of; above `n` while something is missing. */
  #heard = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #retryMs = FIRST_RETRY_MS;

  /** Carries messages to the kernel; replaced when the page connects anew. */
  send: (message: Up) => void;

  constructor(send: (message: Up) => void) {
    this.send = send;
  }

  get state(): State {
    return this.#state;
  }

  /** Call `listener` after every change; returns the way to stop that. */
  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Apply the ops numbered `first, first + 1, …`; skips those already applied, asks for a replay on a gap. */
  apply(first: number, ops: readonly Op[]): void {
    this.#heard = Math.max(this.#heard, first + ops.length - 1);
    if (first > this.#state.n + 1) {
      // The gapped ops are thrown away: the kernel sends in order, so its replay holds them too.
      this.#awaitReplay();
      return;
    }
    const fresh = ops.slice(this.#state.n + 1 - first);
    if (fresh.length === 0) return;
    const touched = new Set<string>();
    for (const op of fresh) this.#applyOne(op, touched);
    this.#change({ n: this.#state.n + fresh.length }, touched);
    this.#caughtUp();
  }

  /** Take the whole state from `snapshot`, unless it is older than what is here. */
  load(snapshot: Snapshot | null | undefined): void {
    if (!snapshot?.items || snapshot.n < this.#state.n) return;
    // Equal items keep their identity, so a snapshot every second redraws nothing.
    const before = new Map(this.#items);
    this.#items.clear();
    for (const item of snapshot.items) {
      const known = before.get(item.id);
      this.#items.set(item.id, known && JSON.stringify(known) === JSON.stringify(item) ? known : item);
    }
    this.#heard = Math.max(this.#heard, snapshot.n);
    const { n, status, question } = snapshot;
    this.#change({ n, status, statusAt: performance.now(), question: question ?? null, pauseAsked: null }, "all");
    this.#caughtUp();
  }

  /** Ask for what came after the last op applied; needed after a page reload, when the snapshot may be old. */
  catchUp(): void {
    if (isLive(this.#state.status) && this.#retry === undefined) this.send({ t: "replay", since: this.#state.n });
  }

  /** Ask the kernel to stop the run, once. */
  stop(): void {
    if (this.#state.stopAsked || !isLive(this.#state.status)) return;
    this.#change({ stopAsked: true }, NOTHING);
    this.send({ t: "stop" });
  }

  /** Ask the kernel to hold the run behind the turn that goes on. */
  pause(): void {
    if (this.#mayPress() && !pauseOf(this.#state)) this.#askPause("pause");
  }

  /** Ask the kernel to let a held run go on. */
  resume(): void {
    if (this.#mayPress() && pauseOf(this.#state)) this.#askPause("resume");
  }

  /** Ask the kernel to let one turn of a held run through. */
  step(): void {
    if (this.#mayPress() && pauseOf(this.#state) === "paused") this.#askPause("step");
  }

  /** Answer the open question, once. */
  answer(text: string): void {
    const { question, answerSent } = this.#state;
    if (!question || answerSent === question.id) return;
    this.#change({ answerSent: question.id }, NOTHING);
    this.send({ t: "answer", id: question.id, text });
  }

  /** Forget timers and listeners. */
  close(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#listeners.clear();
  }

  #applyOne(op: Op, touched: Set<string>): void {
    switch (op.op) {
      case "add":
        this.#put(op.item, touched);
        break;
      case "text": {
        const item = this.#items.get(op.id);
        if (item) this.#put({ ...item, text: (item.text ?? "") + op.text }, touched);
        break;
      }
      case "set": {
        const { op: _, ...fields } = op;
        const item = this.#items.get(op.id);
        if (item) this.#put({ ...item, ...fields }, touched);
        break;
      }
      case "drop":
        this.#items.delete(op.id);
        touched.add(op.id);
        break;
      case "status": {
        const told = op.status.pause !== this.#state.status.pause;
        const pauseAsked = told ? null : this.#state.pauseAsked;
        this.#state = { ...this.#state, status: op.status, statusAt: performance.now(), pauseAsked };
        break;
      }
      case "ask":
        this.#state = { ...this.#state, question: op.question };
        break;
      case "answered":
        if (this.#state.question?.id === op.id) this.#state = { ...this.#state, question: null };
        break;
    }
  }

  #mayPress(): boolean {
    return isLive(this.#state.status) && !this.#state.stopAsked;
  }

  #askPause(act: "pause" | "resume" | "step"): void {
    this.#change({ pauseAsked: act }, NOTHING);
    this.send({ t: act });
  }

  #put(item: Item, touched: Set<string>): void {
    this.#items.set(item.id, item);
    touched.add(item.id);
  }

  #change(part: Partial<State>, touched: Touched): void {
    this.#state = { ...this.#state, ...part };
    for (const listener of this.#listeners) listener(this.#state, touched);
  }

  /** One replay at a time; asked again, ever more rarely, because the server may have dropped the answer. */
  #awaitReplay(): void {
    if (this.#retry !== undefined) return;
    this.send({ t: "replay", since: this.#state.n });
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#retryMs *= 2;
      if (this.#heard > this.#state.n) this.#awaitReplay();
    }, this.#retryMs);
  }

  #caughtUp(): void {
    if (this.#heard > this.#state.n) return;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#retryMs = FIRST_RETRY_MS;
  }
}

/** How the run is held, as the person should see it: what was pressed counts before the kernel has told of it. */
export function pauseOf({ status, pauseAsked }: State): Pause | undefined {
  if (!isLive(status) || pauseAsked === "resume") return undefined;
  return pauseAsked ? "pausing" : status.pause;
}
