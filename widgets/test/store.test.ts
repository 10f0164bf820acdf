import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Item, Op, Pause, Snapshot, Up } from "../src/shared/protocol";
import { pauseOf, Store, type Touched } from "../src/shared/store";

let sent: Up[];
let store: Store;

beforeEach(() => {
  vi.useFakeTimers();
  sent = [];
  store = new Store((message) => sent.push(message));
});

afterEach(() => {
  store.close();
  vi.useRealTimers();
});

const add = (id: string, fields: Partial<Item> = {}): Op => ({ op: "add", item: { id, kind: "message", ...fields } });
const ids = (): string[] => [...store.state.items.keys()];

function snapshot(n: number, items: Item[], rest: Partial<Snapshot> = {}): Snapshot {
  return { n, items, status: { state: "running" }, question: null, ...rest };
}

describe("ops", () => {
  test("dense ops are applied in order", () => {
    store.apply(1, [add("a"), add("b")]);
    store.apply(3, [add("c")]);

    expect(ids()).toEqual(["a", "b", "c"]);
    expect(store.state.n).toBe(3);
    expect(sent).toEqual([]);
  });

  test("ops that were applied already are skipped, also when a batch overlaps", () => {
    store.apply(1, [add("a", { text: "x" }), { op: "text", id: "a", text: "y" }]);
    store.apply(1, [add("a", { text: "x" }), { op: "text", id: "a", text: "y" }]);
    store.apply(2, [{ op: "text", id: "a", text: "y" }, { op: "text", id: "a", text: "z" }]);

    expect(store.state.items.get("a")?.text).toBe("xyz");
    expect(store.state.n).toBe(3);
  });

  test("text is appended to an item, also to one that had none", () => {
    store.apply(1, [add("a"), { op: "text", id: "a", text: "one " }, { op: "text", id: "a", text: "two" }]);

    expect(store.state.items.get("a")?.text).toBe("one two");
  });

  test("set replaces the named fields and leaves the others", () => {
    store.apply(1, [add("a", { text: "t", label: "old" }), { op: "set", id: "a", label: "new", streaming: false }]);

    expect(store.state.items.get("a")).toEqual({ id: "a", kind: "message", text: "t", label: "new", streaming: false });
  });

  test("drop takes an item away", () => {
    store.apply(1, [add("a"), add("b"), { op: "drop", id: "a" }]);

    expect(ids()).toEqual(["b"]);
  });

  test("an op on an unknown item or of an unknown kind is counted and otherwise ignored", () => {
    store.apply(1, [{ op: "text", id: "ghost", text: "x" }, { op: "set", id: "ghost", label: "x" }, { op: "sparkle" } as unknown as Op, add("a")]);

    expect(ids()).toEqual(["a"]);
    expect(store.state.n).toBe(4);
  });

  test("an item changed is a new object, and the others stay the same ones", () => {
    store.apply(1, [add("a"), add("b")]);
    const [a, b] = [store.state.items.get("a"), store.state.items.get("b")];
    store.apply(3, [{ op: "text", id: "a", text: "x" }]);

    expect(store.state.items.get("a")).not.toBe(a);
    expect(a?.text).toBeUndefined();
    expect(store.state.items.get("b")).toBe(b);
  });

  test("listeners hear once for each batch which items were touched, until they leave", () => {
    const heard: Touched[] = [];
    const leave = store.subscribe((_, touched) => heard.push(touched));
    store.apply(1, [add("a"), { op: "text", id: "a", text: "x" }, add("b")]);
    leave();
    store.apply(4, [add("c")]);

    expect(heard).toEqual([new Set(["a", "b"])]);
  });
});

describe("gaps", () => {
  test("a gap asks for a replay once, however many batches follow", () => {
    store.apply(1, [add("a")]);
    store.apply(3, [add("c")]);
    store.apply(4, [add("d")]);

    expect(sent).toEqual([{ t: "replay", since: 1 }]);
    expect(ids()).toEqual(["a"]);
  });

  test("the replay fills the gap, and a later gap asks anew", () => {
    store.apply(2, [add("b")]);
    store.apply(1, [add("a"), add("b")]);
    store.apply(3, [add("c")]);
    store.apply(9, [add("i")]);

    expect(ids()).toEqual(["a", "b", "c"]);
    expect(sent).toEqual([{ t: "replay", since: 0 }, { t: "replay", since: 3 }]);
  });

  test("an unanswered replay is asked again, ever more rarely", () => {
    store.apply(5, [add("e")]);
    vi.advanceTimersByTime(1999);
    expect(sent).toHaveLength(1);

    vi.advanceTimersByTime(1);
    expect(sent).toHaveLength(2);

    vi.advanceTimersByTime(3999);
    expect(sent).toHaveLength(2);

    vi.advanceTimersByTime(1);
    expect(sent).toHaveLength(3);
  });

  test("a replay that arrived is not asked for again", () => {
    store.apply(2, [add("b")]);
    store.apply(1, [add("a"), add("b")]);
    vi.advanceTimersByTime(60_000);

    expect(sent).toHaveLength(1);
  });

  test("a part of a replay leaves the rest outstanding", () => {
    store.apply(5, [add("e")]);
    store.apply(1, [add("a")]);
    vi.advanceTimersByTime(2000);

    expect(sent).toEqual([{ t: "replay", since: 0 }, { t: "replay", since: 1 }]);
  });

  test("a snapshot closes the gap as well", () => {
    store.apply(3, [add("c")]);
    store.load(snapshot(3, [{ id: "c", kind: "message" }]));
    vi.advanceTimersByTime(60_000);
    store.apply(4, [add("d")]);

    expect(ids()).toEqual(["c", "d"]);
    expect(sent).toHaveLength(1);
  });
});

describe("snapshots", () => {
  test("a snapshot gives the whole state, and ops go on after its number", () => {
    store.load(snapshot(7, [{ id: "a", kind: "task" }], { status: { state: "waiting", turns: 2 }, question: { id: "q", prompt: "?" } }));
    store.apply(6, [add("old"), add("old"), add("b")]);

    expect(ids()).toEqual(["a", "b"]);
    expect(store.state.status.turns).toBe(2);
    expect(store.state.question?.id).toBe("q");
  });

  test("an older snapshot does not undo newer ops", () => {
    store.apply(1, [add("a"), add("b")]);
    store.load(snapshot(1, [{ id: "a", kind: "message" }]));

    expect(ids()).toEqual(["a", "b"]);
  });

  test("a newer snapshot takes away what it does not hold and keeps its order", () => {
    store.apply(1, [add("a"), add("b")]);
    store.load(snapshot(5, [{ id: "b", kind: "message" }, { id: "c", kind: "note" }]));

    expect(ids()).toEqual(["b", "c"]);
    expect(store.state.n).toBe(5);
  });

  test("items a snapshot does not change keep their identity", () => {
    store.apply(1, [add("a", { text: "x" }), add("b")]);
    const { items } = store.state;
    const [a, b] = [items.get("a"), items.get("b")];
    store.load(snapshot(3, [{ id: "a", kind: "message", text: "x" }, { id: "b", kind: "message", text: "new" }]));

    expect(items.get("a")).toBe(a);
    expect(items.get("b")).not.toBe(b);
  });

  test.each([null, undefined, {} as Snapshot])("no snapshot yet (%o) changes nothing", (empty) => {
    store.load(empty);

    expect(store.state.n).toBe(0);
    expect(store.state.status.state).toBe("running");
  });

  test("catching up asks for what came after a running snapshot, and for nothing after a finished one", () => {
    store.load(snapshot(4, []));
    store.catchUp();
    store.load(snapshot(9, [], { status: { state: "done" } }));
    store.catchUp();

    expect(sent).toEqual([{ t: "replay", since: 4 }]);
  });
});

describe("the person's acts", () => {
  beforeEach(() => store.apply(1, [{ op: "ask", question: { id: "q1", prompt: "May I?" } }]));

  test("stop is sent once", () => {
    store.stop();
    store.stop();

    expect(sent).toEqual([{ t: "stop" }]);
    expect(store.state.stopAsked).toBe(true);
  });

  test("stop is not sent after the end", () => {
    store.apply(2, [{ op: "status", status: { state: "done" } }]);
    store.stop();

    expect(sent).toEqual([]);
  });

  const pause = (n: number, told?: Pause): void =>
    store.apply(n, [{ op: "status", status: { state: "running", ...(told && { pause: told }) } }]);

  test("pause counts at once, and what the kernel tells replaces it", () => {
    store.pause();
    store.pause();
    expect(sent).toEqual([{ t: "pause" }]);
    expect(pauseOf(store.state)).toBe("pausing");

    pause(2);
    expect(pauseOf(store.state)).toBe("pausing");

    pause(3, "paused");
    expect(pauseOf(store.state)).toBe("paused");
    pause(4);
    expect(pauseOf(store.state)).toBeUndefined();
  });

  test("resume counts at once, also before the pause is confirmed", () => {
    store.pause();
    store.resume();
    store.resume();
    expect(sent).toEqual([{ t: "pause" }, { t: "resume" }]);
    expect(pauseOf(store.state)).toBeUndefined();
  });

  test("a step is sent only while the run is paused, and once until its turn is over", () => {
    store.step();
    pause(2, "pausing");
    store.step();
    expect(sent).toEqual([]);

    pause(3, "paused");
    store.step();
    store.step();
    expect(sent).toEqual([{ t: "step" }]);
    expect(pauseOf(store.state)).toBe("pausing");

    pause(4, "pausing");
    pause(5, "paused");
    store.step();
    expect(sent).toHaveLength(2);
  });

  test("a snapshot tells how the run is held, whatever was pressed before", () => {
    store.pause();
    store.load(snapshot(9, [], { status: { state: "running", pause: "paused" } }));

    expect(pauseOf(store.state)).toBe("paused");
  });

  test("a run that is stopped or over is not paused any more", () => {
    store.stop();
    store.pause();
    pause(2, "paused");
    store.resume();
    store.step();
    expect(sent).toEqual([{ t: "stop" }]);

    store.apply(3, [{ op: "status", status: { state: "stopped", pause: "paused" } }]);
    expect(pauseOf(store.state)).toBeUndefined();
  });

  test("an answer is sent once, and the question stays until the kernel says it is answered", () => {
    store.answer("yes");
    store.answer("no");
    expect(sent).toEqual([{ t: "answer", id: "q1", text: "yes" }]);
    expect(store.state.question?.id).toBe("q1");

    store.apply(2, [{ op: "answered", id: "q1", text: "yes", by: "person" }]);
    expect(store.state.question).toBeNull();
  });

  test("the end of an old question does not close a new one", () => {
    store.apply(2, [{ op: "ask", question: { id: "q2", prompt: "And now?" } }, { op: "answered", id: "q1", text: "", by: "policy" }]);
    store.answer("yes");

    expect(store.state.question?.id).toBe("q2");
    expect(sent).toEqual([{ t: "answer", id: "q2", text: "yes" }]);
  });
});
