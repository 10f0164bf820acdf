// @vitest-environment node
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { bundle, outDir } from "../build.mjs";

const files = await bundle();

test("two builds are the same to the byte", async () => {
  expect(await bundle()).toEqual(files);
});

test.each([...files.keys()])("the shipped %s is what the sources build (else: npm run build)", (name) => {
  expect(readFileSync(join(outDir, name), "utf8") === files.get(name)).toBe(true);
});

test("the script stays below 150 kB, because it travels with every widget", () => {
  expect(Buffer.byteLength(files.get("transcript.js")!)).toBeLessThan(150_000);
});

test("the script names no source map and no path of the machine that built it", () => {
  expect(files.get("transcript.js")).not.toMatch(/sourceMappingURL|node_modules/);
});

test("every style rule stays inside the card", () => {
  const rules = files.get("transcript.css")!.replace(/@keyframes[^{]*\{(?:[^{}]*\{[^}]*\})*\}|@media[^{]*\{/g, "");
  // Commas inside :is(…) separate no selectors.
  const selectors = [...rules.matchAll(/([^{}]+)\{/g)].flatMap(([, list]) => list!.split(/,(?![^(]*\))/));

  expect(selectors.length).toBeGreaterThan(60);
  expect(selectors.filter((selector) => !/^\.anb-/.test(selector.trim()))).toEqual([]);
});

test("the licence of everything bundled is shipped", () => {
  for (const name of ["dompurify", "markdown-it", "linkify-it", "entities", "mdurl", "uc.micro", "punycode.js"]) {
    expect(files.get("licenses.txt")).toMatch(new RegExp(`^${name.replace(".", "\\.")} \\d`, "m"));
  }
});
