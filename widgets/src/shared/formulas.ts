/**
 * Formulas in a model's Markdown stay as they were written: Markdown would take their backslashes and underscores for its
 * own. The same rules as agentnb/ui/formulas.py; the finished transcript is typeset by the notebook, the live one is not.
 */
import type { MarkdownIt, StateBlock, StateInline } from "markdown-it";

// A dollar opens before something and closes behind something, as in Pandoc, and next to no letter or digit.
const INLINE = new RegExp(
  [
    String.raw`\\\((?:(?!\\\)).){1,2000}\\\)`,
    String.raw`\\\[(?:(?!\\\]).){1,4000}\\\]`,
    String.raw`\$\$(?:(?!\$\$).){1,4000}\$\$`,
    String.raw`(?<![\p{L}\p{N}_$])\$(?![\s$])(?:\\.|[^\\$]){1,1000}(?<!\s)\$(?![\p{L}\p{N}_$])`,
  ].join("|"),
  "suy",
);
const ENDS: Record<string, string> = { $$: "$$", "\\[": "\\]" };
const LINES = 200;

export function formulas(markdown: MarkdownIt): void {
  markdown.inline.ruler.before("escape", "formula", inline);
  markdown.block.ruler.before("fence", "formula_block", block, { alt: ["paragraph", "reference", "blockquote", "list"] });
  const { escapeHtml } = markdown.utils;
  markdown.renderer.rules["formula"] = (tokens, index) => `<var>${escapeHtml(tokens[index]?.content ?? "")}</var>`;
  markdown.renderer.rules["formula_block"] = (tokens, index) =>
    `<p><var>${escapeHtml(tokens[index]?.content ?? "")}</var></p>`;
}

function inline(state: StateInline, silent: boolean): boolean {
  const first = state.src[state.pos];
  if (first !== "\\" && first !== "$") return false;
  INLINE.lastIndex = state.pos;
  const found = INLINE.exec(state.src)?.[0];
  if (found === undefined || state.pos + found.length > state.posMax) return false;
  if (!silent) state.push("formula", "", 0).content = found;
  state.pos += found.length;
  return true;
}

function block(state: StateBlock, first: number, end: number, silent: boolean): boolean {
  if ((state.sCount[first] ?? 0) - state.blkIndent >= 4) return false;
  const opening = lineOf(state, first);
  const close = ENDS[opening.slice(0, 2)];
  if (close === undefined) return false;
  const lines = [opening];
  for (let last = opening; last.length < (lines.length === 1 ? 4 : 2) || !last.endsWith(close); ) {
    const line = first + lines.length;
    if (line >= end || lines.length >= LINES || state.isEmpty(line) || (state.sCount[line] ?? 0) < state.blkIndent) return false;
    last = lineOf(state, line);
    lines.push(last);
  }
  const content = lines.join("\n");
  if (content.slice(2, -2).includes(close)) return false; // two formulas in a line, and words between them
  if (!silent) {
    state.line = first + lines.length;
    const token = state.push("formula_block", "", 0);
    token.content = content;
    token.map = [first, state.line];
  }
  return true;
}

function lineOf(state: StateBlock, line: number): string {
  return state.src.slice((state.bMarks[line] ?? 0) + (state.tShift[line] ?? 0), state.eMarks[line]).trimEnd();
}
