"""The look of a run's page: on light ground and dark, on a telephone, on paper."""

from __future__ import annotations

# Colours of text reach a contrast of 4.5:1 on their ground in either scheme (WCAG 2.2, 1.4.3).
STYLE = """
:root { color-scheme: light dark; --ground: #ffffff; --text: #1b1f24; --soft: #57606a; --line: #d0d7de;
  --raised: #f6f8fa; --link: #0b57d0; --bad: #b3261e; --good: #1a7f37; --edge: #8c959f; }
@media (prefers-color-scheme: dark) { :root { --ground: #14171a; --text: #e6e8eb; --soft: #a3abb3; --line: #3a4148;
  --raised: #1e2327; --link: #8ab4f8; --bad: #ff8a80; --good: #6fdc8c; --edge: #6e7780; } }
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body { margin: 0; background: var(--ground); color: var(--text); line-height: 1.55;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; overflow-wrap: break-word; }
a { color: var(--link); }
a:focus-visible, summary:focus-visible, [tabindex]:focus-visible { outline: 2px solid var(--link);
  outline-offset: 2px; }
.skip { position: absolute; left: -100vw; }
.skip:focus { left: 1rem; top: 1rem; background: var(--ground); padding: .3rem .6rem; }
.frame { max-width: 76rem; margin: 0 auto; padding: 1.5rem 1.25rem 3rem; display: grid; gap: 0 2.5rem; }
h1 { font-size: 1.55rem; line-height: 1.25; margin: 0 0 .75rem; }
h2, h3.part { font-size: 1.15rem; margin: 2rem 0 .5rem; padding-bottom: .25rem; border-bottom: 1px solid var(--line); }
h2.run { font-size: 1.35rem; border-bottom-width: 2px; }
.meta, .entry h3, .entry h4 { color: var(--soft); font-size: .87rem; font-weight: 400; }
.part .meta { margin: 0 0 .5rem; }
.entry h3, .entry h4 { margin: 0; }
.entry .who { color: var(--text); font-weight: 650; font-size: .95rem; }
.entry .at { color: var(--soft); text-decoration: none; white-space: nowrap; }
.entry .at:hover { text-decoration: underline; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem; margin: 0 0 1rem; font-size: .95rem; }
dt { color: var(--soft); } dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
.good { color: var(--good); font-weight: 650; } .bad { color: var(--bad); font-weight: 650; }
nav { font-size: .9rem; min-width: 0; }
nav h2 { font-size: 1rem; margin: .5rem 0; }
nav ol { list-style: none; margin: 0; padding: 0; max-height: 14rem; overflow-y: auto; border: 1px solid var(--line);
  border-radius: 6px; padding: .4rem .7rem; }
nav li { margin: .15rem 0; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
nav .gist { color: var(--soft); }
main { min-width: 0; }
main.long section.part { content-visibility: auto; contain-intrinsic-size: auto 30rem; }
.entry { margin: .8rem 0; padding: .05rem 0 .05rem .85rem; border-left: 3px solid var(--edge); min-width: 0; }
.task { background: var(--raised); padding: .5rem .85rem; border-radius: 0 6px 6px 0; }
.aside, .remark, .chosen { border-left-color: var(--line); font-size: .93rem; color: var(--soft); }
.aside .body { color: var(--text); }
.fault, .refused { border-left-color: var(--bad); }
.fault .message { font-weight: 600; }
.gone .body { text-decoration: line-through; opacity: .8; }
.body > :first-child { margin-top: .2rem; } .body > :last-child { margin-bottom: .2rem; }
summary { cursor: pointer; } summary h3, summary h4 { display: inline; }
.replaced > details > summary > .part { display: inline-block; color: var(--soft); font-weight: 400; border: 0; }
pre { margin: .4rem 0; padding: .6rem .8rem; background: var(--raised); border: 1px solid var(--line);
  border-radius: 6px; white-space: pre-wrap; overflow-wrap: anywhere;
  font: .86rem/1.45 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
pre.output { background: none; border-width: 0 0 0 2px; border-radius: 0; }
pre.long { max-height: 32rem; overflow: auto; }
figure { margin: .6rem 0; } figure img { max-width: 100%; height: auto; background: #ffffff; border-radius: 4px; }
figcaption { color: var(--soft); font-size: .85rem; }
.table { overflow-x: auto; margin: .5rem 0; font-size: .92rem; }
.quote { border-left: 2px solid var(--line); padding-left: .7rem; white-space: pre-wrap; overflow-wrap: anywhere; }
.plain { white-space: pre-wrap; overflow-wrap: anywhere; margin: .2rem 0; }
.label { color: var(--soft); }
footer { margin-top: 2.5rem; padding-top: .75rem; border-top: 1px solid var(--line); color: var(--soft);
  font-size: .87rem; }
@media (min-width: 64rem) { .frame { grid-template-columns: minmax(0, 1fr) 17rem; }
  header, footer { grid-column: 1 / -1; } main { grid-column: 1; grid-row: 2; } nav { grid-column: 2; grid-row: 2; }
  nav > div { position: sticky; top: 1rem; } nav ol { max-height: calc(100vh - 5rem); } }
@media (max-width: 30rem) { .frame { padding: 1rem .8rem 2rem; } dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin: 0 0 .45rem; } .entry { padding-left: .6rem; } }
@media print { :root { color-scheme: light; --ground: #ffffff; --text: #000000; --soft: #444444; --line: #bbbbbb;
  --raised: #f4f4f4; --link: #000000; --bad: #8c1d18; --good: #14532d; }
  .frame { display: block; padding: 0; max-width: none; } nav, .skip { display: none; } body { font-size: 10.5pt; }
  main.long section.part { content-visibility: visible; } .echo { display: none; }
  pre.long { max-height: none; overflow: visible; }
  h1, h2, h3, h4, summary { break-after: avoid; } figure, tr { break-inside: avoid; }
  details::details-content { content-visibility: visible; height: auto; display: block; }
  summary { list-style: none; } .table { overflow: visible; } }
"""
