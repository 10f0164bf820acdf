/** The buttons that hold a run: Pause that becomes Resume, One turn while it is paused, and Stop. */
import { canPress, make, makeButton, setText } from "./dom";
import { isLive } from "./protocol";
import { pauseOf, type State, type Store } from "./store";

export class Reins {
  readonly element = make("div", "anb-reins");
  readonly #pausable: boolean;
  readonly #step: HTMLButtonElement;
  /** One button, so that the focus stays when Pause becomes Resume. */
  readonly #pause: HTMLButtonElement;
  readonly #stop: HTMLButtonElement;
  #held = false;
  #lostFocus = false;

  constructor(store: Store, pausable: boolean) {
    this.#pausable = pausable;
    this.#step = makeButton("One turn", () => store.step(), "anb-button anb-step");
    this.#step.setAttribute("aria-label", "One turn, then pause again");
    this.#pause = makeButton("", () => (this.#held ? store.resume() : store.pause()), "anb-button anb-pause");
    this.#stop = makeButton("Stop", () => store.stop(), "anb-button anb-stop");
    this.#stop.setAttribute("aria-label", "Stop the run");
    this.element.setAttribute("role", "group");
    this.element.setAttribute("aria-label", "Run");
    // One turn comes and goes to the left: it must not appear under a pointer that has just pressed Pause.
    this.element.append(this.#step, this.#pause, this.#stop);
  }

  draw(state: State): void {
    const focused = this.#focused();
    const live = isLive(state.status);
    const stopping = state.stopAsked || state.status.state === "stopping";
    const pause = pauseOf(state);
    this.#held = pause !== undefined;
    this.element.hidden = !live;
    this.#pause.hidden = !live || !this.#pausable;
    this.#pause.disabled = stopping;
    setText(this.#pause, this.#held ? "Resume" : "Pause");
    this.#pause.setAttribute("aria-label", this.#held ? "Resume the run" : "Pause the run after this turn");
    this.#step.hidden = this.#pause.hidden || !this.#held;
    this.#step.disabled = stopping;
    // Not disabled while its turn goes on, which would take the focus from who goes on turn by turn.
    this.#step.setAttribute("aria-disabled", String(pause !== "paused"));
    this.#stop.hidden = !live;
    this.#stop.disabled = stopping;
    setText(this.#stop, stopping ? "Stopping…" : "Stop");
    this.#lostFocus = focused !== undefined && !canPress(focused) && !this.#refocus();
  }

  /** Whether the last drawing took away the button that had the focus, and there is none left to take it. */
  hasLostFocus(): boolean {
    return this.#lostFocus;
  }

  #focused(): HTMLButtonElement | undefined {
    return [this.#step, this.#pause, this.#stop].find((button) => button === document.activeElement);
  }

  #refocus(): boolean {
    const next = [this.#pause, this.#stop].find(canPress);
    next?.focus({ preventScroll: true });
    return next !== undefined;
  }
}
