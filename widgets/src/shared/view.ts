/** Draws a store as a card. A change touches only the rows it is about. */
import { make, setText } from "./dom";
import { Hues } from "./hues";
import { isLive, type Pause, type Status } from "./protocol";
import { QuestionBox } from "./question";
import { Reins } from "./reins";
import { Row } from "./row";
import { pauseOf, type State, type Store, type Touched } from "./store";

const STATE_WORDS: Record<Status["state"], string> = {
  running: "Running",
  waiting: "Waiting for you",
  stopping: "Stopping…",
  stopped: "Stopped",
  done: "Done",
  failed: "Failed",
};

const PAUSE_WORDS: Record<Pause, string> = {
  pausing: "Pausing after this turn…",
  paused: "Paused",
};

/** How near to its end, in pixels, the list must be for new items to keep it there. */
const NEAR_END = 24;

export class View {
  readonly #store: Store;
  readonly #rows = new Map<string, Row>();
  readonly #hues = new Hues();
  readonly #card = make("section", "anb-card");
  readonly #team = make("span", "anb-team");
  readonly #model = make("span", "anb-model");
  readonly #state = make("span", "anb-state");
  readonly #turns = make("span");
  readonly #tokens = make("span");
  readonly #clock = make("span");
  readonly #reins: Reins;
  readonly #list = make("div", "anb-list");
  readonly #empty = make("div", "anb-empty");
  readonly #foot = make("div", "anb-foot");
  readonly #reason = make("div", "anb-reason");
  readonly #unsubscribe: () => void;
  readonly #ticker: ReturnType<typeof setInterval>;
  #question: { id: string; box: QuestionBox } | undefined;
  /** Whether new items keep the list at its end. */
  #atEnd: boolean;
  #top = 0;

  constructor(store: Store, el: HTMLElement, { pausable = false } = {}) {
    this.#store = store;
    // A finished run is read from its beginning.
    this.#atEnd = isLive(store.state.status);
    this.#reins = new Reins(store, pausable);
    this.#build();
    el.append(this.#card);

    this.#unsubscribe = store.subscribe((state, touched) => this.#draw(state, touched));
    this.#ticker = setInterval(() => this.#drawClock(store.state), 1000);
    this.#draw(store.state, "all");
  }

  /** Stop following the store. */
  close(): void {
    this.#unsubscribe();
    clearInterval(this.#ticker);
    this.#card.remove();
  }

  #build(): void {
    this.#state.setAttribute("role", "status");
    const who = make("div", "anb-who");
    who.append(this.#state, this.#team, this.#model);
    const numbers = make("div", "anb-numbers");
    numbers.append(this.#turns, this.#tokens, this.#clock);
    const bar = make("header", "anb-bar");
    bar.append(who, numbers, this.#reins.element);

    this.#list.setAttribute("role", "log");
    this.#list.setAttribute("aria-live", "polite");
    this.#list.setAttribute("aria-label", "Messages");
    this.#list.tabIndex = 0;
    this.#list.append(this.#empty);
    this.#list.addEventListener("scroll", () => {
      const { scrollHeight, scrollTop, clientHeight } = this.#list;
      const near = scrollHeight - scrollTop - clientHeight <= NEAR_END;
      // The event comes late: the list may have grown since we scrolled it. Only moving up leaves the end.
      this.#atEnd = near || (this.#atEnd && scrollTop >= this.#top);
      this.#top = scrollTop;
    });
    // A figure gets its height only once decoded; "load" does not bubble, but can be caught on its way down.
    this.#list.addEventListener("load", () => this.#follow(), true);

    this.#card.append(bar, this.#list, this.#foot, this.#reason);
  }

  #draw(state: State, touched: Touched): void {
    this.#drawStatus(state);
    this.#drawClock(state);
    this.#drawQuestion(state);
    if (touched === "all") this.#drawAll(state);
    else for (const id of touched) this.#drawItem(state, id);
    this.#empty.hidden = state.items.size > 0;
    this.#empty.textContent = isLive(state.status) ? "waiting for the first message…" : "no messages";
    this.#follow();
  }

  #drawAll(state: State): void {
    for (const id of this.#rows.keys()) if (!state.items.has(id)) this.#drop(id);
    let place: Element | null = this.#list.firstElementChild;
    for (const id of state.items.keys()) {
      const element = this.#drawItem(state, id);
      // Moving a row that is in its place already would lose its scroll position and focus.
      if (element === place) place = element.nextElementSibling;
      else if (element) this.#list.insertBefore(element, place);
    }
  }

  #drawItem(state: State, id: string): Element | undefined {
    const item = state.items.get(id);
    let row = this.#rows.get(id);
    if (!item) {
      this.#drop(id);
    } else if (row) {
      row.draw(item);
    } else {
      row = new Row(item, this.#hues);
      this.#rows.set(id, row);
      this.#list.insertBefore(row.element, this.#empty);
    }
    return row?.element;
  }

  #drop(id: string): void {
    this.#rows.get(id)?.element.remove();
    this.#rows.delete(id);
  }

  #drawStatus(state: State): void {
    const { status, stopAsked } = state;
    const live = isLive(status);
    const shown = live && stopAsked ? "stopping" : status.state;
    const pause = shown === "running" || shown === "waiting" ? pauseOf(state) : undefined;
    this.#card.dataset["state"] = shown === "running" ? (pause ?? shown) : shown;
    this.#card.setAttribute("aria-label", status.team ? `Transcript of ${status.team}` : "Transcript");
    setText(this.#state, stateWords(shown, pause));
    setText(this.#team, status.team ?? "");
    setText(this.#model, status.model ?? "");
    setText(this.#turns, status.turns === undefined ? "" : count(status.turns, "turn"));
    setText(this.#tokens, status.tokens == null ? "" : count(status.tokens, "token"));
    setText(this.#reason, status.reason ?? "");
    this.#reins.draw(state);
    // Focus falls to the page's body otherwise, and the keyboard user starts over.
    if (this.#reins.hasLostFocus()) this.#list.focus({ preventScroll: true });
  }

  #drawClock({ status, statusAt }: State): void {
    const since = isLive(status) ? (performance.now() - statusAt) / 1000 : 0;
    setText(this.#clock, status.seconds === undefined ? "" : duration(status.seconds + since));
  }

  #drawQuestion({ question, status, answerSent }: State): void {
    const open = isLive(status) ? question : null;
    if (this.#question && this.#question.id !== open?.id) {
      const hadFocus = this.#foot.contains(document.activeElement);
      this.#question = undefined;
      this.#foot.replaceChildren();
      // Focus falls to the page's body otherwise, and the keyboard user starts over.
      if (hadFocus) this.#list.focus({ preventScroll: true });
    }
    if (!open) return;
    if (!this.#question) {
      const box = new QuestionBox(open, (text) => this.#store.answer(text));
      this.#question = { id: open.id, box };
      this.#foot.append(box.element);
    }
    this.#question.box.setSent(answerSent === open.id);
  }

  #follow(): void {
    if (!this.#atEnd) return;
    this.#list.scrollTop = this.#list.scrollHeight;
    this.#top = this.#list.scrollTop;
  }
}

function stateWords(state: Status["state"], pause: Pause | undefined): string {
  const words = STATE_WORDS[state] ?? state;
  if (!pause) return words;
  return state === "running" ? PAUSE_WORDS[pause] : `${words}, then pausing`;
}

function count(n: number, noun: string): string {
  return `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
}

/** "9 s", "2 min 05 s", "1 h 02 min". */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (n: number): string => String(n).padStart(2, "0");
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
}
