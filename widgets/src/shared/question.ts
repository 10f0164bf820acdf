/** The box in which the person answers an open question. */
import { keepKeys, make, makeButton } from "./dom";
import type { Question } from "./protocol";

export class QuestionBox {
  readonly element = make("form", "anb-question");
  readonly #sent = make("span", "anb-sent");

  constructor(question: Question, answer: (text: string) => void) {
    keepKeys(this.element);
    this.element.addEventListener("submit", (event) => event.preventDefault());
    this.element.setAttribute("aria-label", question.source ? `Question from ${question.source}` : "Question");
    if (question.source) this.element.append(make("div", "anb-asker", `Your turn: ${question.source}`));
    this.element.append(make("div", "anb-prompt", question.prompt));

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
    field.rows = Math.min(16, Math.max(2, suggestion.split("\n").length));
    field.placeholder = "Your answer";
    field.setAttribute("aria-label", `Your answer to: ${prompt}`);
    const send = (): void => {
      if (field.value.trim()) answer(field.value);
    };
    field.addEventListener("keydown", (event) => {
      // Enter that ends the composing of a character (Japanese, Chinese, Korean) is not meant for us.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      send();
    });
    return [field, makeButton("Send", send, "anb-button anb-primary")];
  }
}
