/** The box in which the person answers an open question. */
import { keepKeys, make, makeButton } from "./dom";
import type { Question } from "./protocol";

// As agentnb/agents/fences.py has it: closed by as many backticks or more.
const FENCE = /^(`{3,})[^\n`]*\n([\s\S]*?)^\1`*[ \t]*$/gm;

export class QuestionBox {
  readonly element = make("form", "anb-question");
  readonly #sent = make("span", "anb-sent");

  constructor(question: Question, answer: (text: string) => void) {
    keepKeys(this.element);
    this.element.addEventListener("submit", (event) => event.preventDefault());
    this.element.setAttribute("aria-label", question.source ? `Question from ${question.source}` : "Question");
    // A free answer is the person's own turn; a choice, or code to be edited, is another's question.
    const isOwnTurn = !question.choices?.length && !question.suggestion;
    const asker = isOwnTurn ? `Your turn: ${question.source}` : `${question.source} asks`;
    if (question.source) this.element.append(make("div", "anb-asker", asker));
    this.element.append(promptOf(question.prompt));

    const controls = make("div", "anb-controls");
    if (question.choices?.length) {
      for (const choice of question.choices) controls.append(makeButton(choice, () => answer(choice)));
    } else {
      controls.append(...this.#makeField(question, answer));
    }
    this.#sent.setAttribute("role", "status");
    controls.append(this.#sent);
    this.element.append(controls);
  }

  /** Close the controls while an answer is on its way. */
  setSent(sent: boolean): void {
    this.#sent.textContent = sent ? "Answer sent…" : "";
    for (const control of this.element.querySelectorAll<HTMLButtonElement | HTMLTextAreaElement>("button, textarea")) {
      control.disabled = sent;
    }
  }

  #makeField({ prompt, suggestion = "" }: Question, answer: (text: string) => void): HTMLElement[] {
    const field = make("textarea", "anb-field");
    field.value = suggestion;
    // Several lines are code to be edited: there Enter begins a line, and half of them must not be sent by it.
    const isCode = suggestion.includes("\n");
    field.rows = isCode ? Math.min(20, suggestion.split("\n").length + 1) : 2;
    if (isCode) {
      field.classList.add("anb-field-code");
      field.spellcheck = false;
    }
    field.placeholder = "Your answer";
    field.setAttribute("aria-label", `Your answer to: ${prompt}`);
    const send = (): void => {
      if (field.value.trim()) answer(field.value);
    };
    field.addEventListener("keydown", (event) => {
      // Enter that ends the composing of a character (Japanese, Chinese, Korean) is not meant for us.
      if (event.key !== "Enter" || event.isComposing) return;
      if (isCode ? !(event.ctrlKey || event.metaKey) : event.shiftKey) return;
      event.preventDefault();
      send();
    });
    const button = makeButton("Send", send, "anb-button anb-primary");
    button.title = isCode ? "Ctrl+Enter" : "Enter; Shift+Enter begins a line";
    return isCode ? [field, make("span", "anb-hint", "Ctrl+Enter sends"), button] : [field, button];
  }
}

/** A question as text, with the code it is about in boxes; nothing of it is left out or drawn differently. */
function promptOf(text: string): HTMLElement {
  const box = make("div", "anb-prompt");
  let done = 0;
  for (const found of text.matchAll(FENCE)) {
    box.append(make("span", undefined, text.slice(done, found.index).replace(/\n{2,}$/, "\n")));
    const code = make("pre", "anb-asked-code");
    code.append(make("code", undefined, found[2]?.replace(/\n$/, "")));
    box.append(code);
    done = found.index + found[0].length;
  }
  box.append(make("span", undefined, text.slice(done).trimEnd()));
  return box;
}
