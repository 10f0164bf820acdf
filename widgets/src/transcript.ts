/** The page side of agentnb/widgets/transcript.py; PROTOCOL.md says what the two tell each other. */
import type { Down, Snapshot, Up } from "./shared/protocol";
import { Store } from "./shared/store";
import { View } from "./shared/view";

interface Traits {
  run_id: string;
  snapshot: Snapshot;
  pausable: boolean;
}

/** What is used of anywidget's model. */
export interface Model {
  get<K extends keyof Traits>(trait: K): Traits[K];
  on(event: "msg:custom", callback: (message: Down) => void): void;
  on(event: "change:snapshot", callback: () => void): void;
  off(event: string, callback: (...args: never[]) => void): void;
  send(message: Up): void;
}

interface Run {
  store: Store;
  models: number;
  views: number;
}

// anywidget hands `initialize` and `render` different model objects, so what they share lies here.
const runs = new Map<string, Run>();

function runOf(model: Model): Run {
  const id = model.get("run_id");
  let run = runs.get(id);
  if (!run) {
    run = { store: new Store((message) => model.send(message)), models: 0, views: 0 };
    runs.set(id, run);
  }
  return run;
}

/** Listen from the start: messages sent before the first view would be lost otherwise. */
function initialize({ model }: { model: Model }): () => void {
  const id = model.get("run_id");
  const run = runOf(model);
  run.models += 1;
  run.store.send = (message) => model.send(message);

  const load = (): void => run.store.load(model.get("snapshot"));
  const receive = (message: Down): void => {
    if (message.t === "ops") run.store.apply(message.n, message.ops);
    // A ping asks whether somebody can see the page, not whether this script has been loaded.
    else if (message.t === "ping" && run.views > 0) model.send({ t: "pong", k: message.k });
  };
  model.on("change:snapshot", load);
  model.on("msg:custom", receive);
  load();

  return () => {
    model.off("change:snapshot", load);
    model.off("msg:custom", receive);
    run.models -= 1;
    if (run.models > 0) return;
    run.store.close();
    runs.delete(id);
  };
}

function render({ model, el }: { model: Model; el: HTMLElement }): () => void {
  const run = runOf(model);
  const view = new View(run.store, el, { pausable: model.get("pausable") });
  run.views += 1;
  if (run.views === 1) run.store.catchUp();
  return () => {
    run.views -= 1;
    view.close();
  };
}

export default { initialize, render };
