/** Making elements. Text always goes in as text. */

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className = "",
  text = "",
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

export function makeButton(text: string, onClick: () => void, className = "anb-button"): HTMLButtonElement {
  const button = make("button", className, text);
  button.type = "button";
  button.addEventListener("click", onClick);
  keepKeys(button);
  return button;
}

/** Whether the person can press a button now. */
export function canPress(button: HTMLButtonElement): boolean {
  return !button.hidden && !button.disabled;
}

/** Keep key presses from JupyterLab, where Enter edits a cell and D D deletes it. */
export function keepKeys(element: HTMLElement): void {
  // The attribute works even where JupyterLab is set to listen before us; other hosts do not know it.
  element.dataset["lmSuppressShortcuts"] = "true";
  for (const type of ["keydown", "keypress", "keyup"]) element.addEventListener(type, (event) => event.stopPropagation());
}

/** Leave a text alone that is right already: screen readers announce every write to a live region. */
export function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
