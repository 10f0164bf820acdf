import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Hues } from "../src/shared/hues";
import type { Item, Op, Question, Status, Up } from "../src/shared/protocol";
import { Store } from "../src/shared/store";
import { duration, View } from "../src/shared/view";

let sent: Up[];
let store: Store;
let el: HTMLElement;
let view: View;

beforeEach(() => {
  vi.useFakeTimers();
  sent = [];
  store = new Store((message) => sent.push(message));
  el = document.createElement("div");
  document.body.append(el);
  view = new View(store, el, { pausable: true });
});

afterEach(() => {
  view.close();
  store.close();
  el.remove();
  vi.useRealTimers();
});

const apply = (...ops: Op[]): void => store.apply(store.state.n + 1, ops);
const add = (id: string, fields: Partial<Item> = {}): void => apply({ op: "add", item: { id, kind: "message", source: "ana", ...fields } });
const status = (fields: Partial<Status>): void => apply({ op: "status", status: { state: "running", ...fields } });
const ask = (fields: Partial<Question> = {}): void => apply({ op: "ask", question: { id: "q", source: "ana", prompt: "Go on?", ...fields } });

function find<E extends HTMLElement = HTMLElement>(selector: string): E {
  const found = el.querySelector<E>(selector);
  if (!found) throw new Error(`nothing matches ${selector} in ${el.innerHTML}`);
  return found;
}
const all = (selector: string): HTMLElement[] => [...el.querySelectorAll<HTMLElement>(selector)];
const button = (text: string): HTMLButtonElement => {
  const found = all("button").find((candidate) => candidate.textContent === text);
  if (!found) throw new Error(`no button says ${text}`);
  return found as HTMLButtonElement;
};

describe("texts", () => {
  test("streaming text goes in as text, never as markup", () => {
    add("a", { streaming: true, format: "markdown", text: "**b** <img src=x onerror=1>" });
    apply({ op: "text", id: "a", text: "<script>1</script>" });

    expect(find(".anb-text").textContent).toBe("**b** <img src=x onerror=1><script>1</script>");
    expect(el.querySelector(".anb-text :is(img, script, strong)")).toBeNull();
  });

  test("streaming appends to the same text node", () => {
    add("a", { streaming: true, text: "one" });
    const node = find(".anb-plain").firstChild;
    apply({ op: "text", id: "a", text: " two" });

    expect(find(".anb-plain").firstChild).toBe(node);
    expect(node?.textContent).toBe("one two");
  });

  test("Markdown is rendered once the text is finished", () => {
    add("a", { streaming: true, format: "markdown", text: "**bold**" });
    apply({ op: "set", id: "a", streaming: false });

    expect(find(".anb-markdown strong").textContent).toBe("bold");
  });

  test.each(["plain", undefined, "code"] as const)("a finished text of format %o is no markup", (format) => {
    add("a", { text: "**b** <b>x</b>", ...(format && { format }) });

    expect(find(".anb-text").textContent).toBe("**b** <b>x</b>");
    expect(el.querySelector(".anb-text :is(b, strong)")).toBeNull();
  });

  test("code is preformatted and says its language", () => {
    add("a", { kind: "code", language: "python", text: "if x:\n    y" });

    expect(find("pre code").textContent).toBe("if x:\n    y");
    expect(find(".anb-language").textContent).toBe("python");
  });

  test("a long text is clipped until the person wants all of it", () => {
    const text = "x".repeat(12_345);
    add("a", { format: "plain", text });
    expect(find(".anb-plain").textContent).toBe(`${"x".repeat(4000)}…`);

    button("Show all 12,345 characters").click();
    expect(find(".anb-plain").textContent).toBe(text);
    expect(all(".anb-more")).toHaveLength(0);

    apply({ op: "set", id: "a", text: `${text}y` });
    expect(find(".anb-plain").textContent).toBe(`${text}y`);
  });

  test("a text of exactly 4000 characters is not clipped", () => {
    add("a", { text: "x".repeat(4000) });

    expect(all(".anb-more")).toHaveLength(0);
  });

  test("clipping does not cut a character in half", () => {
    add("a", { text: `${"x".repeat(3999)}😀${"y".repeat(100)}` });

    expect(find(".anb-plain").textContent).toBe(`${"x".repeat(3999)}…`);
  });
});

describe("items", () => {
  test("source and label stand above the text, the detail is a tooltip", () => {
    add("a", { label: "<b>312 tokens</b>", detail: "more" });

    expect(find(".anb-source").textContent).toBe("ana");
    expect(find(".anb-label").textContent).toBe("<b>312 tokens</b>");
    expect(find(".anb-head").title).toBe("more");
  });

  test("an op changes its own item and no other", () => {
    add("a", { text: "one" });
    add("b", { text: "two" });
    const [a, b] = all("article");
    const observer = new MutationObserver(() => {});
    observer.observe(b!, { subtree: true, childList: true, characterData: true, attributes: true });
    apply({ op: "set", id: "a", text: "changed" });

    expect(observer.takeRecords()).toEqual([]);
    expect(all("article")).toEqual([a, b]);
    expect(a!.textContent).toContain("changed");
  });

  test("a dropped item leaves the page", () => {
    add("a");
    add("b");
    apply({ op: "drop", id: "a" });

    expect(all("article")).toHaveLength(1);
  });

  test("a snapshot puts items in its own order and keeps those it knows", () => {
    add("a", { text: "A" });
    add("b", { text: "B" });
    const [, b] = all("article");
    store.load({ n: 9, items: ["c", "b", "d"].map((id) => ({ id, kind: "message", source: "ana", text: id.toUpperCase() })), status: { state: "running" }, question: null });

    expect(all(".anb-text").map((text) => text.textContent)).toEqual(["C", "B", "D"]);
    expect(all("article")[1]).toBe(b);
  });

  test("parts of an output are stacked: text, table, figure", () => {
    add("a", { kind: "output", parts: [
      { mime: "text/plain", data: "<b>3</b> rows" },
      { mime: "text/html", data: "<table><tr><td onclick=1>1</td></tr></table><script>1</script>" },
      { mime: "image/png", data: "iVBORw0KGgo=" },
    ] });

    expect(find("pre.anb-output-text").textContent).toBe("<b>3</b> rows");
    expect(find(".anb-html").innerHTML).toBe("<table><tbody><tr><td>1</td></tr></tbody></table>");
    expect(find<HTMLImageElement>("img").src).toBe("data:image/png;base64,iVBORw0KGgo=");
  });

  test("a figure is drawn anew only when the parts change", () => {
    add("a", { kind: "output", parts: [{ mime: "image/png", data: "AAAA" }] });
    const image = find("img");
    apply({ op: "set", id: "a", label: "exit code 0" });

    expect(find("img")).toBe(image);
  });

  test("an item with open false is folded, and opens when the kernel says so", () => {
    add("a", { open: false, text: "hidden" });
    expect(find<HTMLDetailsElement>("details").open).toBe(false);

    apply({ op: "set", id: "a", open: true });
    expect(find<HTMLDetailsElement>("details").open).toBe(true);
  });

  test("what the person unfolded stays so through other changes", () => {
    add("a", { open: false, text: "hidden" });
    find<HTMLDetailsElement>("details").open = true;
    apply({ op: "set", id: "a", label: "new" });

    expect(find<HTMLDetailsElement>("details").open).toBe(true);
  });

  test("a folded item without a name can still be pressed", () => {
    apply({ op: "add", item: { id: "a", kind: "event", open: false, text: "x" } });

    expect(find("summary").textContent).toBe("event");
  });

  test("a name has one colour in a run, and eight names have eight", () => {
    const hues = new Hues();
    const names = ["ana", "ben", "cem", "dia", "eva", "fay", "gus", "hal"];
    const first = names.map((name) => hues.of(name));

    expect(new Set(first).size).toBe(8);
    expect(names.map((name) => hues.of(name))).toEqual(first);
    expect(new Hues().of("ana")).toBe(first[0]);
    expect(hues.of("a ninth")).toBeLessThan(8);
  });

  test("without items the list says what it waits for, and after the end that there are none", () => {
    expect(find(".anb-empty").textContent).toBe("waiting for the first message…");

    status({ state: "done" });
    expect(find(".anb-empty").textContent).toBe("no messages");

    add("a");
    expect(find(".anb-empty").hidden).toBe(true);
  });
});

describe("header", () => {
  test("team, model, state, turns, tokens and time are shown", () => {
    status({ team: "Rain report", model: "tiny", turns: 1, tokens: 1234, seconds: 65 });

    expect(find(".anb-team").textContent).toBe("Rain report");
    expect(find(".anb-model").textContent).toBe("tiny");
    expect(find(".anb-state").textContent).toBe("Running");
    expect(all(".anb-numbers span").map((span) => span.textContent)).toEqual(["1 turn", "1,234 tokens", "1 min 05 s"]);
  });

  test("unknown tokens are not shown as zero", () => {
    status({ tokens: null, turns: 0, seconds: 0 });

    expect(find(".anb-numbers").textContent).not.toContain("token");
  });

  test.each([
    ["running", 8], ["waiting", 8], ["stopping", 8], ["stopped", 5], ["done", 5], ["failed", 5],
  ] as const)("three seconds into %s the clock shows %i s", (state, seconds) => {
    status({ state, seconds: 5 });
    vi.advanceTimersByTime(3000);

    expect(all(".anb-numbers span")[2]?.textContent).toBe(`${seconds} s`);
  });

  test("durations are said in the largest fitting units", () => {
    expect([0, 59.9, 60, 3599, 3720].map(duration)).toEqual(["0 s", "59 s", "1 min 00 s", "59 min 59 s", "1 h 02 min"]);
  });

  test("the reason of the end is shown", () => {
    status({ state: "failed", reason: "<b>out of money</b>" });

    expect(find(".anb-reason").textContent).toBe("<b>out of money</b>");
  });
});

describe("stop", () => {
  test("it is sent once, says so at once, and is gone at the end", () => {
    const stop = button("Stop");
    stop.click();
    stop.click();
    expect(sent).toEqual([{ t: "stop" }]);
    expect(stop.textContent).toBe("Stopping…");
    expect(stop.disabled).toBe(true);
    expect(find(".anb-state").textContent).toBe("Stopping…");

    status({ state: "stopped" });
    expect(stop.hidden).toBe(true);
    expect(find(".anb-state").textContent).toBe("Stopped");
  });

  test("two views of a run send it once between them", () => {
    const second = new View(store, el);
    for (const stop of all(".anb-stop")) stop.click();
    second.close();

    expect(sent).toEqual([{ t: "stop" }]);
  });
});

describe("pause", () => {
  const shown = (): (string | null)[] =>
    all(".anb-reins button").filter((candidate) => !candidate.hidden).map((candidate) => candidate.textContent);
  const words = (): string | null => find(".anb-state").textContent;

  test("it becomes resume, with one turn beside it, and back", () => {
    expect(shown()).toEqual(["Pause", "Stop"]);

    button("Pause").click();
    expect(shown()).toEqual(["One turn", "Resume", "Stop"]);
    expect(words()).toBe("Pausing after this turn…");

    status({ pause: "pausing" });
    status({ pause: "paused" });
    expect(words()).toBe("Paused");
    expect(find(".anb-card").dataset["state"]).toBe("paused");

    button("Resume").click();
    expect(shown()).toEqual(["Pause", "Stop"]);
    expect(words()).toBe("Running");
    expect(sent).toEqual([{ t: "pause" }, { t: "resume" }]);
  });

  test("the focus stays on the button that becomes another", () => {
    const pause = button("Pause");
    pause.focus();
    pause.click();

    expect(document.activeElement).toBe(pause);
    expect(pause.textContent).toBe("Resume");
    expect(pause.getAttribute("aria-label")).toBe("Resume the run");
  });

  test("one turn keeps the focus while its turn goes on, and can be pressed again after it", () => {
    status({ pause: "paused" });
    const step = button("One turn");
    step.focus();
    step.click();
    step.click();
    expect(words()).toBe("Pausing after this turn…");
    expect(step.getAttribute("aria-disabled")).toBe("true");
    expect(document.activeElement).toBe(step);

    status({ pause: "pausing" });
    status({ pause: "paused" });
    expect(step.getAttribute("aria-disabled")).toBe("false");
    step.click();
    expect(sent).toEqual([{ t: "step" }, { t: "step" }]);
  });

  test("the focus goes to pause when one turn goes away, and to the list when all do", () => {
    status({ pause: "paused" });
    button("One turn").focus();
    status({});
    expect(document.activeElement).toBe(find(".anb-pause"));

    status({ state: "done" });
    expect(shown()).toEqual([]);
    expect(find(".anb-reins").hidden).toBe(true);
    expect(document.activeElement).toBe(find(".anb-list"));
  });

  test("somebody whose focus is elsewhere keeps it", () => {
    find(".anb-list").focus();
    status({ pause: "paused" });
    status({ state: "done" });
    expect(document.activeElement).toBe(find(".anb-list"));

    (document.activeElement as HTMLElement).blur();
    status({ state: "stopped" });
    expect(document.activeElement).toBe(document.body);
  });

  test("a run that is being stopped can be neither paused nor resumed", () => {
    status({ pause: "paused" });
    button("Stop").click();

    expect([button("Resume").disabled, button("One turn").disabled]).toEqual([true, true]);
    expect(words()).toBe("Stopping…");
  });

  test("a question that is open says itself, and then that the run is to pause", () => {
    ask();
    status({ state: "waiting", pause: "pausing" });

    expect(words()).toBe("Waiting for you, then pausing");
    expect(find(".anb-card").dataset["state"]).toBe("waiting");
  });

  test("a view of a run that cannot be held has no such buttons", () => {
    view.close();
    view = new View(store, el);
    status({ pause: "paused" });

    expect(shown()).toEqual(["Stop"]);
    expect(words()).toBe("Paused");
  });

  test("the clock goes on while the run is paused", () => {
    status({ seconds: 5, pause: "paused" });
    vi.advanceTimersByTime(3000);

    expect(all(".anb-numbers span")[2]?.textContent).toBe("8 s");
  });
});

describe("question", () => {
  const press = (target: HTMLElement, init: KeyboardEventInit): KeyboardEvent => {
    const event = new KeyboardEvent("keydown", { bubbles: true, cancelable: true, ...init });
    target.dispatchEvent(event);
    return event;
  };

  test("a choice is sent once and the box closes when it is answered", () => {
    ask({ choices: ["Yes", "No"] });
    button("Yes").click();
    button("No").click();
    expect(sent).toEqual([{ t: "answer", id: "q", text: "Yes" }]);
    expect([button("Yes").disabled, button("No").disabled]).toEqual([true, true]);
    expect(find(".anb-sent").textContent).toBe("Answer sent…");

    apply({ op: "answered", id: "q", text: "Yes", by: "person" });
    expect(all(".anb-question")).toHaveLength(0);
  });

  test.each([
    [{}, "Your turn: coder"],
    [{ choices: ["Yes", "No"] }, "coder asks"],
    [{ suggestion: "print(1)" }, "coder asks"],
  ])("of %o it is said whose turn it is", (question, said) => {
    ask({ source: "coder", ...question });
    expect(find(".anb-asker").textContent).toBe(said);
  });

  test.each([{}, { ctrlKey: true }, { metaKey: true }])("Enter with %o sends what was written", (keys) => {
    ask();
    find<HTMLTextAreaElement>("textarea").value = "forty two";
    const event = press(find("textarea"), { key: "Enter", ...keys });

    expect(sent).toEqual([{ t: "answer", id: "q", text: "forty two" }]);
    expect(event.defaultPrevented).toBe(true);
    expect(find<HTMLTextAreaElement>("textarea").disabled).toBe(true);
  });

  test.each([{ shiftKey: true }, { isComposing: true }])("Enter with %o does not send", (keys) => {
    ask();
    find<HTMLTextAreaElement>("textarea").value = "x";
    const event = press(find("textarea"), { key: "Enter", ...keys });

    expect(sent).toEqual([]);
    expect(event.defaultPrevented).toBe(false);
  });

  test("an empty answer is not sent, a written one is by the button", () => {
    ask();
    button("Send").click();
    expect(sent).toEqual([]);

    find<HTMLTextAreaElement>("textarea").value = "x";
    button("Send").click();
    expect(sent).toHaveLength(1);
  });

  test("keys pressed in it do not reach JupyterLab", () => {
    const heard = vi.fn();
    el.addEventListener("keydown", heard);
    ask();
    press(find("textarea"), { key: "d" });
    press(button("Send"), { key: "Enter" });
    press(button("Stop"), { key: "Enter" });

    expect(heard).not.toHaveBeenCalled();
    expect(find("textarea").closest("[data-lm-suppress-shortcuts=true]")).not.toBeNull();
    expect(button("Stop").dataset["lmSuppressShortcuts"]).toBe("true");
  });

  test("what the person is writing survives other changes", () => {
    ask();
    const field = find<HTMLTextAreaElement>("textarea");
    field.value = "half an ans";
    add("a");
    status({ state: "waiting" });

    expect(find("textarea")).toBe(field);
    expect(field.value).toBe("half an ans");
  });

  test("a suggestion stands in the field, and is sent as it was changed", () => {
    ask({ suggestion: "a = 1\nb = 2\nc = 3" });
    const field = find<HTMLTextAreaElement>("textarea");

    expect(field.value).toBe("a = 1\nb = 2\nc = 3");
    expect(field.rows).toBe(4);
  });

  test("in code that is changed Enter begins a line, and does not send half of it", () => {
    ask({ suggestion: "a = 1\nb = 2" });
    const field = find<HTMLTextAreaElement>("textarea");
    const enter = press(field, { key: "Enter" });

    expect(sent).toEqual([]);
    expect(enter.defaultPrevented).toBe(false);
    expect(find(".anb-question").textContent).toContain("Ctrl+Enter sends");

    press(field, { key: "Enter", ctrlKey: true });
    expect(sent).toEqual([{ t: "answer", id: "q", text: "a = 1\nb = 2" }]);
  });

  test("code that is asked about stands in a box of its own, all of it", () => {
    ask({ prompt: "Run this?\n\n```python\nif a:\n    b = '*c*'\n```\n\n````sh\n```\nrm x\n```\n````\n\nSure? _yes_" });

    expect(all(".anb-prompt pre").map((code) => code.textContent)).toEqual(["if a:\n    b = '*c*'", "```\nrm x\n```"]);
    expect(find(".anb-prompt").textContent).toMatch(/^Run this\?[^]*Sure\? _yes_$/);
  });

  test("the prompt is text, and a next question opens a fresh box", () => {
    ask({ prompt: "<img src=x onerror=1>" });
    button("Send");
    find<HTMLTextAreaElement>("textarea").value = "x";
    button("Send").click();
    ask({ id: "q2", prompt: "Next?" });

    expect(el.querySelector("img")).toBeNull();
    expect(all(".anb-prompt").map((prompt) => prompt.textContent)).toEqual(["Next?"]);
    expect(find<HTMLTextAreaElement>("textarea").disabled).toBe(false);
  });

  test("it goes away when the run ends", () => {
    ask();
    status({ state: "stopped" });

    expect(all(".anb-question")).toHaveLength(0);
  });

  test("focus moves to the list when the box goes", () => {
    ask();
    find("textarea").focus();
    apply({ op: "answered", id: "q", text: "", by: "policy" });

    expect(document.activeElement).toBe(find(".anb-list"));
  });
});

describe("scrolling", () => {
  /** jsdom lays nothing out, so the list gets its measures here. */
  function measure(scrollHeight: number): HTMLElement {
    const list = find(".anb-list");
    Object.defineProperty(list, "clientHeight", { value: 100, configurable: true });
    Object.defineProperty(list, "scrollHeight", { value: scrollHeight, configurable: true });
    return list;
  }
  function scrollTo(list: HTMLElement, top: number): void {
    list.scrollTop = top;
    list.dispatchEvent(new Event("scroll"));
  }

  test("the list follows new items while the person is at its end", () => {
    const list = measure(500);
    add("a");

    expect(list.scrollTop).toBe(500);
  });

  test("it stays where the person scrolled up to, and follows again from the end", () => {
    const list = measure(500);
    add("a");
    scrollTo(list, 100);
    add("b");
    expect(list.scrollTop).toBe(100);

    scrollTo(list, 400);
    measure(600);
    add("c");
    expect(list.scrollTop).toBe(600);
  });

  test("a list that grew before its scroll event came is still followed", () => {
    const list = measure(500);
    add("a");
    measure(900);
    list.dispatchEvent(new Event("scroll"));
    add("b");

    expect(list.scrollTop).toBe(900);
  });

  test("a figure that got its height late is followed", () => {
    const list = measure(500);
    add("a", { parts: [{ mime: "image/png", data: "AAAA" }] });
    measure(800);
    find("img").dispatchEvent(new Event("load"));

    expect(list.scrollTop).toBe(800);
  });

  test("a finished run is read from its beginning", () => {
    status({ state: "done" });
    view.close();
    view = new View(store, el);
    const list = measure(500);
    add("a");

    expect(list.scrollTop).toBe(0);
  });
});

describe("for everyone", () => {
  test("the list is a polite log that can be reached by keyboard", () => {
    const list = find(".anb-list");

    expect(list.getAttribute("role")).toBe("log");
    expect(list.getAttribute("aria-live")).toBe("polite");
    expect(list.getAttribute("aria-label")).toBe("Messages");
    expect(list.tabIndex).toBe(0);
  });

  test("a streaming item is busy until it is finished", () => {
    add("a", { streaming: true });
    expect(find("article").getAttribute("aria-busy")).toBe("true");

    apply({ op: "set", id: "a", streaming: false });
    expect(find("article").getAttribute("aria-busy")).toBe("false");
  });

  test("card, items, stop, field, code and figure have names", () => {
    status({ team: "Rain report" });
    add("a", { kind: "code", language: "python", text: "1", parts: [{ mime: "image/png", data: "AAAA" }] });
    ask();

    expect(find(".anb-card").getAttribute("aria-label")).toBe("Transcript of Rain report");
    expect(find("article").getAttribute("aria-label")).toBe("ana, code");
    expect(find(".anb-stop").getAttribute("aria-label")).toBe("Stop the run");
    expect(find(".anb-pause").getAttribute("aria-label")).toBe("Pause the run after this turn");
    expect(find(".anb-step").getAttribute("aria-label")).toBe("One turn, then pause again");
    expect(find(".anb-reins").getAttribute("aria-label")).toBe("Run");
    expect(find("textarea").getAttribute("aria-label")).toBe("Your answer to: Go on?");
    expect(find("pre").getAttribute("aria-label")).toBe("python code");
    expect(find<HTMLImageElement>("img").alt).toBe("figure");
  });

  test("the state is announced only when it changes", () => {
    status({ turns: 1 });
    const observer = new MutationObserver(() => {});
    observer.observe(find(".anb-state"), { childList: true, characterData: true, subtree: true });
    status({ turns: 2 });

    expect(observer.takeRecords()).toEqual([]);
    expect(find(".anb-state").getAttribute("role")).toBe("status");
  });

  test("a closed view leaves nothing behind and hears nothing more", () => {
    view.close();
    add("a");

    expect(el.childElementCount).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });
});
