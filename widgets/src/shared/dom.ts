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

/** Keep key presses from JupyterLab, where Enter edits a cell and D D deletes it. */
export function keepKeys(element: HTMLElement): void {
  // The attribute works even where JupyterLab is set to listen before us; other hosts do not know it.
  element.dataset["lmSuppressShortcuts"] = "true";
  for (const type of ["keydown", "keypress", "keyup"]) element.addEventListener(type, (event) => event.stopPropagation());
}
