/** Which colour of the palette in transcript.css belongs to which name. */

const PALETTE_SIZE = 8;

/**
 * Colours of one run. A name starts from its own hash, so it mostly looks the same in every run, and moves on
 * to the next free colour where another name of this run was first.
 */
export class Hues {
  readonly #byName = new Map<string, number>();
  readonly #taken = new Set<number>();

  of(name: string): number {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    let hue = hash(name) % PALETTE_SIZE;
    if (this.#taken.size < PALETTE_SIZE) while (this.#taken.has(hue)) hue = (hue + 1) % PALETTE_SIZE;
    this.#byName.set(name, hue);
    this.#taken.add(hue);
    return hue;
  }
}

/** FNV-1a, its high bits mixed into the low ones that choose the colour. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const character of text) value = Math.imul(value ^ character.codePointAt(0)!, 0x01000193);
  return (value ^ (value >>> 15)) >>> 0;
}
