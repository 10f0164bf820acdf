import { afterEach, expect, test } from "vitest";
import type { Down, Snapshot, Up } from "../src/shared/protocol";
import widget, { type Model } from "../src/transcript";

class FakeModel {
  readonly sent: Up[] = [];
  readonly #callbacks = new Map<string, Set<(message?: Down) => void>>();
  readonly #traits: { run_id: string; snapshot: Snapshot; pausable: boolean };

  constructor(run_id: string, snapshot: Partial<Snapshot> = {}, pausable = false) {
    this.#traits = { run_id, pausable, snapshot: { n: 0, items: [], status: { state: "running" }, question: null, ...snapshot } };
  }

  get<K extends "run_id" | "snapshot" | "pausable">(trait: K): { run_id: string; snapshot: Snapshot; pausable: boolean }[K] {
    return this.#traits[trait];
  }
  on(event: string, callback: (message: Down) => void): void {
    const callbacks = this.#callbacks.get(event) ?? new Set();
    this.#callbacks.set(event, callbacks.add(callback as (message?: Down) => void));
  }
  off(event: string, callback: (...args: never[]) => void): void {
    this.#callbacks.get(event)?.delete(callback as (message?: Down) => void);
  }
  send(message: Up): void {
    this.sent.push(message);
  }

  receive(message: Down): void {
    for (const callback of this.#callbacks.get("msg:custom") ?? []) callback(message);
  }
  sync(snapshot: Partial<Snapshot>): void {
    this.#traits.snapshot = { ...this.#traits.snapshot, ...snapshot };
    for (const callback of this.#callbacks.get("change:snapshot") ?? []) callback();
  }
}

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

function initialize(model: FakeModel): () => void {
  const cleanup = widget.initialize({ model: model as Model });
  cleanups.push(cleanup);
  return cleanup;
}
function render(model: FakeModel): { el: HTMLElement; close: () => void } {
  const el = document.createElement("div");
  const close = widget.render({ model: model as Model, el });
  let open = true;
  const once = (): void => {
    if (open) close();
    open = false;
  };
  cleanups.push(once);
  return { el, close: once };
}
const texts = (el: HTMLElement): (string | null)[] => [...el.querySelectorAll(".anb-text")].map((text) => text.textContent);
const say = (n: number, ...said: string[]): Down => ({
  t: "ops",
  n,
  ops: said.map((text, index) => ({ op: "add", item: { id: `i${n + index}`, kind: "message", text } })),
});

test("messages that came before the first view are drawn by it", () => {
  const model = new FakeModel("early");
  initialize(model);
  model.receive(say(1, "one", "two"));
  const { el } = render(model);
  model.receive(say(3, "three"));

  expect(texts(el)).toEqual(["one", "two", "three"]);
});

test("a finished run is drawn from its snapshot alone, and nothing is asked of the kernel", () => {
  const model = new FakeModel("finished", { n: 3, items: [{ id: "a", kind: "message", text: "bye" }], status: { state: "done", turns: 1 } });
  initialize(model);
  const { el } = render(model);

  expect(texts(el)).toEqual(["bye"]);
  expect(el.querySelector<HTMLElement>(".anb-stop")?.hidden).toBe(true);
  expect(model.sent).toEqual([]);
});

test("a page that opens on a running run asks for what its snapshot lacks", () => {
  const model = new FakeModel("reloaded", { n: 5, items: [{ id: "a", kind: "message", text: "old" }] });
  initialize(model);
  const { el } = render(model);
  expect(model.sent).toEqual([{ t: "replay", since: 5 }]);

  model.receive({ t: "ops", n: 6, ops: [{ op: "ask", question: { id: "q", prompt: "Still there?" } }] });
  expect(el.querySelector(".anb-prompt")?.textContent).toBe("Still there?");
});

test("a ping is answered only while a view is there", () => {
  const model = new FakeModel("ping", { status: { state: "done" } });
  initialize(model);
  model.receive({ t: "ping", k: 1 });
  expect(model.sent).toEqual([]);

  const view = render(model);
  model.receive({ t: "ping", k: 2 });
  expect(model.sent).toEqual([{ t: "pong", k: 2 }]);

  view.close();
  model.receive({ t: "ping", k: 3 });
  expect(model.sent).toHaveLength(1);
});

test("with two views a ping gets one pong, and the second view asks for no replay", () => {
  const model = new FakeModel("two views");
  initialize(model);
  render(model);
  render(model);
  model.receive({ t: "ping", k: 7 });

  expect(model.sent).toEqual([{ t: "replay", since: 0 }, { t: "pong", k: 7 }]);
});

test("a gap is asked for once and closed by the replay", () => {
  const model = new FakeModel("gap");
  initialize(model);
  model.receive(say(1, "one"));
  model.receive(say(3, "three"));
  model.receive(say(4, "four"));
  expect(model.sent).toEqual([{ t: "replay", since: 1 }]);

  model.receive(say(2, "two", "three", "four"));
  const { el } = render(model);
  expect(texts(el)).toEqual(["one", "two", "three", "four"]);
});

test("a new snapshot is drawn without a message", () => {
  const model = new FakeModel("snapshot");
  initialize(model);
  const { el } = render(model);
  model.sync({ n: 2, items: [{ id: "a", kind: "message", text: "from the snapshot" }] });

  expect(texts(el)).toEqual(["from the snapshot"]);
});

test("stop and answer go to the kernel in the shapes of the protocol", () => {
  const model = new FakeModel("acts", { question: { id: "q", prompt: "?", choices: ["yes"] } });
  initialize(model);
  const { el } = render(model);
  model.sent.length = 0;
  el.querySelector<HTMLButtonElement>(".anb-question button")?.click();
  el.querySelector<HTMLButtonElement>(".anb-stop")?.click();

  expect(model.sent).toEqual([{ t: "answer", id: "q", text: "yes" }, { t: "stop" }]);
});

test("a run that can be held gets the ways to do so, and they go to the kernel in the shapes of the protocol", () => {
  const model = new FakeModel("held", { status: { state: "running", pause: "paused" } }, true);
  initialize(model);
  const { el } = render(model);
  model.sent.length = 0;
  el.querySelector<HTMLButtonElement>(".anb-step")?.click();
  model.receive({ t: "ops", n: 1, ops: [{ op: "status", status: { state: "running", pause: "pausing" } }] });
  el.querySelector<HTMLButtonElement>(".anb-pause")?.click();
  model.receive({ t: "ops", n: 2, ops: [{ op: "status", status: { state: "running" } }] });
  el.querySelector<HTMLButtonElement>(".anb-pause")?.click();

  expect(model.sent).toEqual([{ t: "step" }, { t: "resume" }, { t: "pause" }]);
});

test("a run that cannot be held shows no way to pause it", () => {
  const model = new FakeModel("not held", { status: { state: "running", pause: "paused" } });
  initialize(model);
  const { el } = render(model);

  expect([...el.querySelectorAll<HTMLElement>("button")].filter((button) => !button.hidden).map((button) => button.textContent)).toEqual(["Stop"]);
});

test("runs do not mix", () => {
  const [one, two] = [new FakeModel("run one"), new FakeModel("run two")];
  initialize(one);
  initialize(two);
  one.receive(say(1, "only one"));

  expect(texts(render(one).el)).toEqual(["only one"]);
  expect(texts(render(two).el)).toEqual([]);
});

test("after its cleanup a model is not listened to, and the run starts afresh", () => {
  const model = new FakeModel("closed");
  const close = initialize(model);
  cleanups.pop();
  const old = render(model);
  model.receive(say(1, "one"));
  close();
  model.sent.length = 0;
  model.receive(say(2, "two"));
  model.receive({ t: "ping", k: 1 });
  expect(texts(old.el)).toEqual(["one"]);
  expect(model.sent).toEqual([]);

  initialize(model);
  expect(texts(render(model).el)).toEqual([]);
});
