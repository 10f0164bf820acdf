// Builds agentnb/widgets/static: one ES module, one style sheet, and the licences of what is bundled.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
export const outDir = join(here, "..", "agentnb", "widgets", "static");

/**
 * Build everything in memory.
 * @returns {Promise<Map<string, string>>} contents by file name in `outDir`
 */
export async function bundle() {
  /** @type {import("esbuild").BuildOptions} */
  const shared = {
    absWorkingDir: here,
    bundle: true,
    minify: true,
    write: false,
    charset: "utf8",
    target: "es2022",
    legalComments: "none",
  };
  const script = await build({ ...shared, entryPoints: ["src/transcript.ts"], format: "esm", metafile: true });
  const style = await build({ ...shared, entryPoints: ["src/transcript.css"] });
  const banner = "/* agentnb transcript; bundled packages and their licences: licenses.txt */\n";
  return new Map([
    ["transcript.js", banner + script.outputFiles?.[0]?.text],
    ["transcript.css", style.outputFiles?.[0]?.text ?? ""],
    ["licenses.txt", licenses(Object.keys(script.metafile.inputs))],
  ]);
}

/** @param {string[]} inputs bundled files, relative to this folder */
function licenses(inputs) {
  const packages = new Set(inputs.map((file) => /^node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0]).filter((dir) => dir !== undefined));
  return [...packages]
    .sort()
    .map((dir) => {
      const { name, version, license } = JSON.parse(readFileSync(join(here, dir, "package.json"), "utf8"));
      const file = readdirSync(join(here, dir)).sort().find((entry) => /^licen[cs]e/i.test(entry));
      if (!file) throw new Error(`${name} ships no licence file; its terms must be added by hand`);
      return `${name} ${version} (${license})\n\n${readFileSync(join(here, dir, file), "utf8").trim()}\n`;
    })
    .join(`\n${"-".repeat(80)}\n\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, text] of await bundle()) {
    writeFileSync(join(outDir, name), text);
    console.log(`${name}  ${Buffer.byteLength(text).toLocaleString("en")} bytes`);
  }
}
