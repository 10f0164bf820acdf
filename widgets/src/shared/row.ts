/** One item of the transcript on the page; redraws only the parts of itself that changed. */
import { keepKeys, make, makeButton } from "./dom";
import type { Hues } from "./hues";
import { fromHtml, fromMarkdown } from "./markdown";
import type { Item, Part } from "./protocol";

const CLIP_CHARACTERS = 4000;

export class Row {
  readonly element = make("article");
  readonly #head = make("div", "anb-head");
  readonly #text = make("div", "anb-text");
  readonly #parts = make("div", "anb-parts");
  readonly #hues: Hues;
  #fold: HTMLDetailsElement | undefined;
  #drawn: Item | undefined;
  /** The node that streaming text is appended to. */
  #stream: Text | undefined;
  /** The person asked to see all of a clipped text. */
  #whole = false;

  constructor(item: Item, hues: Hues) {
    this.#hues = hues;
    this.element.append(this.#head, this.#text, this.#parts);
    this.draw(item);
  }

  draw(item: Item): void {
    const before = this.#drawn;
    this.#drawn = item;
    this.#drawFrame(item);
    if (!before || !same(before, item, "source", "label", "detail", "at", "kind")) this.#drawHead(item);
    if (!before || !same(before, item, "text", "format", "kind", "language", "streaming")) this.#drawText(item);
    if (!before || !same(before, item, "parts")) this.#drawParts(item);
    // Set after the person's own folding only when the kernel says something new.
    if (this.#fold && item.open !== before?.open) this.#fold.open = item.open !== false;
  }

  #drawFrame(item: Item): void {
    this.element.className = `anb-item anb-kind-${item.kind}${item.source ? ` anb-hue-${this.#hues.of(item.source)}` : ""}`;
    this.element.setAttribute("aria-label", [item.source, item.kind].filter(Boolean).join(", "));
    // A screen reader waits for the end of a streamed text instead of reading every piece.
    this.element.setAttribute("aria-busy", String(item.streaming === true));
    if (item.open === false && !this.#fold) {
      this.#fold = make("details", "anb-fold");
      const summary = make("summary");
      keepKeys(summary);
      summary.append(this.#head);
      this.#fold.append(summary, this.#text, this.#parts);
      this.element.append(this.#fold);
    }
  }

  #drawHead(item: Item): void {
    this.#head.replaceChildren();
    if (item.source) this.#head.append(make("span", "anb-source", item.source));
    if (item.label) this.#head.append(make("span", "anb-label", item.label));
    // A folded item without a name would leave nothing to press on.
    if (!this.#head.hasChildNodes() && this.#fold) this.#head.append(make("span", "anb-label", item.kind));
    this.#head.hidden = !this.#head.hasChildNodes();
    this.#head.title = item.detail || localTime(item.at);
  }

  #drawText(item: Item): void {
    const text = item.text ?? "";
    if (this.#stream && item.streaming && text.startsWith(this.#stream.data)) {
      this.#stream.appendData(text.slice(this.#stream.length));
      return;
    }
    this.#stream = undefined;
    this.#text.replaceChildren();
    this.#text.className = "anb-text";
    if (item.streaming) {
      this.#stream = document.createTextNode(text);
      this.#text.classList.add("anb-streaming");
      this.#text.append(this.#inFormat(item, this.#stream));
    } else if (text) {
      this.#drawClipped(this.#text, text, (shown) =>
        formatOf(item) === "markdown" ? prose(shown) : this.#inFormat(item, document.createTextNode(shown)),
      );
    }
  }

  #inFormat(item: Item, text: Text): HTMLElement {
    if (formatOf(item) !== "code") {
      const plain = make("div", "anb-plain");
      plain.append(text);
      return plain;
    }
    const code = make("code");
    code.append(text);
    const block = scrolling("anb-code", `${item.language ?? ""} code`.trim());
    block.append(code);
    if (!item.language) return block;
    const box = make("div", "anb-code-box");
    box.append(make("span", "anb-language", item.language), block);
    return box;
  }

  #drawParts(item: Item): void {
    this.#parts.replaceChildren();
    for (const part of item.parts ?? []) this.#parts.append(this.#partOf(part));
  }

  #partOf(part: Part): HTMLElement {
    const box = make("div", "anb-part");
    switch (part.mime) {
      case "text/html": {
        const html = scrolling("anb-html", "table output");
        html.append(fromHtml(part.data));
        box.append(html);
        break;
      }
      case "image/png":
      case "image/jpeg": {
        const image = make("img", "anb-image");
        image.alt = "figure";
        image.src = `data:${part.mime};base64,${part.data}`;
        box.append(image);
        break;
      }
      default:
        this.#drawClipped(box, part.data, (shown) => {
          const output = scrolling("anb-output-text", "text output");
          output.textContent = shown;
          return output;
        });
    }
    return box;
  }

  #drawClipped(into: HTMLElement, text: string, draw: (shown: string) => Node): void {
    if (this.#whole || text.length <= CLIP_CHARACTERS) {
      into.append(draw(text));
      return;
    }
    const more = makeButton(
      `Show all ${text.length.toLocaleString("en")} characters`,
      () => {
        this.#whole = true;
        into.replaceChildren(draw(text));
        // The pressed button is gone; keep the keyboard where it was.
        into.tabIndex = -1;
        into.focus({ preventScroll: true });
      },
      "anb-button anb-more",
    );
    into.append(draw(clip(text)), more);
  }
}

/** A block that scrolls by itself, and so must be reachable by keyboard. */
function scrolling(className: string, label: string): HTMLElement {
  const block = make(className === "anb-html" ? "div" : "pre", className);
  block.tabIndex = 0;
  block.setAttribute("role", "group");
  block.setAttribute("aria-label", label);
  return block;
}

function prose(text: string): HTMLElement {
  const box = make("div", "anb-markdown");
  box.append(fromMarkdown(text));
  return box;
}

function formatOf(item: Item): NonNullable<Item["format"]> {
  return item.format || (item.kind === "code" ? "code" : "plain");
}

function clip(text: string): string {
  const last = text.charCodeAt(CLIP_CHARACTERS - 1);
  // Half of a surrogate pair would show as a replacement character.
  const splitsPair = last >= 0xd800 && last <= 0xdbff;
  return `${text.slice(0, splitsPair ? CLIP_CHARACTERS - 1 : CLIP_CHARACTERS)}…`;
}

function localTime(at: string | undefined): string {
  const time = new Date(at ?? "");
  return Number.isNaN(time.valueOf()) ? "" : time.toLocaleString();
}

function same(a: Item, b: Item, ...fields: (keyof Item)[]): boolean {
  return fields.every((field) => a[field] === b[field]);
}
