// What every component shares: resets, focus, motion, forced colours.

import { css } from "../vendor/lit-3.3.3.min.js";

export const shared = css`
  :host { display: block; }
  *, *::before, *::after { box-sizing: border-box; }
  h1, h2, p, ul { margin: 0; padding: 0; }
  ul { list-style: none; }
  button, input { font: inherit; color: inherit; letter-spacing: inherit; }
  button { cursor: pointer; -webkit-tap-highlight-color: transparent; }
  button:disabled, button[aria-disabled="true"] { cursor: default; }
  .tn { font-variant-numeric: tabular-nums; }
  .i { width: 1.25em; height: 1.25em; flex: none; display: block; }
  :focus-visible { outline: 3px solid var(--focus); outline-offset: 3px; }
  .sr { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
  @media (prefers-reduced-motion: reduce) {
    *, *::before, *::after { animation: none !important; transition-duration: .01ms !important; }
  }
  @media (forced-colors: active) { button { border: 2px solid ButtonText !important; } }
`;

export const buttons = css`
  .btn { min-height: 48px; padding: 10px var(--s5); border-radius: 12px; border: 1px solid var(--line-strong); background: var(--surface); color: var(--ink); font-weight: 600; display: inline-flex; align-items: center; justify-content: center; gap: 10px; text-align: center; line-height: 1.25; transition: background var(--fast); }
  .btn:hover { background: var(--sunken); }
  .btn.pri { background: var(--ink); border-color: var(--ink); color: var(--surface); }
  .btn.pri:hover { background: color-mix(in srgb, var(--ink) 88%, var(--surface)); }
  .btn.quiet { border-color: transparent; background: none; color: var(--ink-2); padding-inline: var(--s3); }
  .btn.quiet:hover { background: var(--sunken); }
  .btn:disabled { opacity: .6; }
`;
