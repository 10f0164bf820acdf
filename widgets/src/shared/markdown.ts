/** Markup from models and kernels, made safe. Everything returned is a fragment of clean nodes. */
import DOMPurify, { type Config } from "dompurify";
import MarkdownIt from "markdown-it";
import { formulas } from "./formulas";

const LINK = /^(?:https?:|mailto:)/i;
const RASTER = /^data:image\/(?:png|jpeg|gif|webp);base64,/i;

const TAGS = (
  "a abbr b blockquote br caption code col colgroup dd del details div dl dt em h1 h2 h3 h4 h5 h6 hr i ins kbd li " +
  "mark ol p pre s samp small span strong sub summary sup table tbody td tfoot th thead tr u ul var"
).split(" ");

// No class, id or style: they could borrow JupyterLab's looks, shadow its globals, or fetch a background.
const PLAIN_ATTRIBUTES = ["align", "alt", "colspan", "height", "open", "rowspan", "scope", "start", "title", "width"];

const CONFIG = {
  ALLOWED_TAGS: TAGS,
  ALLOWED_ATTR: [...PLAIN_ATTRIBUTES, "href"],
  // DOMPurify holds every other attribute against the rule for addresses, and would drop colspan="2".
  ADD_URI_SAFE_ATTR: PLAIN_ATTRIBUTES,
  ALLOW_ARIA_ATTR: false,
  ALLOW_DATA_ATTR: false,
  ALLOWED_URI_REGEXP: LINK,
  RETURN_DOM_FRAGMENT: true,
} satisfies Config;

const CONFIG_WITH_IMAGES = {
  ...CONFIG,
  ALLOWED_TAGS: [...TAGS, "img"],
  ALLOWED_ATTR: [...PLAIN_ATTRIBUTES, "href", "src"],
} satisfies Config;

const markdown = new MarkdownIt({ html: false, linkify: true, breaks: true });
// Only text that says http:// itself becomes a link; `model.fit` and `a@b.c` stay text.
markdown.linkify.set({ fuzzyLink: false, fuzzyEmail: false });
formulas(markdown);
// The side a column is on comes as a style, which does not pass.
for (const name of ["th_open", "td_open"]) {
  markdown.renderer.rules[name] = (tokens, index, options, _env, self) => {
    const token = tokens[index];
    const side = /^text-align:(left|right|center)$/.exec(String(token?.attrGet("style") ?? ""))?.[1];
    if (token && side) token.attrs = [["align", side]];
    return self.renderToken(tokens, index, options);
  };
}
markdown.renderer.rules.image = (tokens, index, options, env, self) =>
  markdown.utils.escapeHtml(self.renderInlineAsText(tokens[index]?.children ?? [], options, env));

const purifier = DOMPurify(window);
purifier.addHook("afterSanitizeAttributes", (node) => {
  if (node.nodeName === "A" && node.hasAttribute("href")) {
    node.setAttribute("target", "_blank");
    node.setAttribute("rel", "noopener noreferrer");
  }
  if (node.nodeName === "IMG" && !RASTER.test(node.getAttribute("src") ?? "")) {
    node.replaceWith(node.getAttribute("alt") ?? "");
  }
});

/** Markdown written by a model: no raw HTML, and images only as their alt text. */
export function fromMarkdown(text: string): DocumentFragment {
  return purifier.sanitize(markdown.render(text), CONFIG);
}

/** HTML from a code output, such as a table; images only when they carry their own raster data. */
export function fromHtml(html: string): DocumentFragment {
  return purifier.sanitize(html, CONFIG_WITH_IMAGES);
}
