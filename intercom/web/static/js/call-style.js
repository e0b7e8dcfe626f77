// The call's look: always dark, the picture is the light source.

import { css } from "../vendor/lit-3.3.3.min.js";

export const callStyle = css`
  :host {
    color-scheme: dark; --focus: #fff; --bottom: #0c0e10; --ink2: rgb(255 255 255 / .82);
    position: fixed; inset: 0; background: var(--bottom); color: #fff; font-size: var(--t-md);
  }
  .call { position: relative; overflow: hidden; height: 100%; display: grid; grid-template-rows: minmax(0, 1fr) auto; isolation: isolate; }

  /* the picture */
  .pic { position: relative; overflow: hidden; background: #07090a; }
  video, .pic img { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: cover; object-position: 50% 35%; }
  video { opacity: 0; transition: filter var(--mid); } /* the first picture is there at once: nobody waits for a fade */
  .live video, .lost video { opacity: 1; }
  .lost video, .lost img { filter: blur(18px) brightness(.55); transform: scale(1.08); }
  .whole video, .whole img { object-fit: contain; }
  .pic::before { content: ""; position: absolute; inset: 0 0 auto; height: 190px; background: linear-gradient(rgb(6 8 10 / .82), rgb(6 8 10 / .5) 55%, transparent); z-index: 1; }
  .pic::after { content: ""; position: absolute; inset: auto 0 0; height: 130px; background: linear-gradient(transparent, var(--bottom)); z-index: 1; }
  .instead { position: absolute; inset: 0; z-index: 1; display: grid; place-content: center; justify-items: center; gap: var(--s2); padding: 150px var(--s8) 110px; text-align: center; background: radial-gradient(90% 70% at 50% 45%, #262c31, #101315 75%); }
  .lost .instead { background: none; }
  .instead .i { width: 40px; height: 40px; margin-bottom: var(--s2); opacity: .8; }
  .over-now .i { width: 72px; height: 72px; stroke-width: 1.25; opacity: .3; }
  .instead b { font-weight: 600; font-size: var(--t-md); }
  .instead span { color: var(--ink2); font-size: var(--t-sm); }
  .head { position: absolute; z-index: 3; inset: 0 0 auto; padding: calc(env(safe-area-inset-top) + 52px) 132px 0 var(--s5); display: grid; gap: 2px; justify-items: start; pointer-events: none; }
  .state { display: inline-flex; align-items: center; gap: 7px; font-size: var(--t-xs); font-weight: 600; color: var(--ink2); min-height: 20px; }
  .state i { width: 8px; height: 8px; border-radius: 50%; background: #fff; flex: none; animation: pulse 1.4s infinite; }
  .state[data-s="talking"] i { background: #63d493; }
  .state[data-s="door"] i { background: var(--door); }
  .state[data-s="ended"] i { background: #8b9297; animation: none; }
  @keyframes pulse { 50% { opacity: .35; transform: scale(.8); } }
  h1 { font-size: var(--t-xl); line-height: 1.15; font-weight: 650; letter-spacing: -.02em; text-wrap: balance; overflow-wrap: anywhere; }
  .where { font-size: var(--t-sm); color: var(--ink2); }
  .tools { position: absolute; z-index: 3; right: var(--s4); top: calc(env(safe-area-inset-top) + 50px); display: flex; gap: var(--s2); }
  .ib { width: 48px; height: 48px; border-radius: 50%; border: 1px solid rgb(255 255 255 / .16); background: rgb(12 14 16 / .58); backdrop-filter: blur(18px) saturate(1.4); color: #fff; display: grid; place-items: center; padding: 0; }
  .ib[aria-pressed="true"] { background: #fff; color: #14171a; }

  /* words over the picture, just above the door */
  .over { position: absolute; z-index: 3; inset: auto var(--s5) var(--s3); display: grid; gap: var(--s2); justify-items: start; }
  .chip { min-height: 48px; padding: 0 var(--s4) 0 var(--s3); border-radius: var(--r-full); border: 1px solid rgb(255 255 255 / .16); background: rgb(12 14 16 / .66); backdrop-filter: blur(18px) saturate(1.4); color: #fff; font-size: var(--t-sm); font-weight: 600; display: inline-flex; align-items: center; gap: 8px; }
  .chip[aria-pressed="true"] { background: #fff; color: #14171a; }
  p.chip { min-height: 40px; }
  .answers { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); justify-self: stretch; max-width: 34rem; gap: var(--s2); }
  .answers .chip { justify-content: center; padding: 6px var(--s2); text-align: center; line-height: 1.2; }
  .answers .note { grid-column: 1 / -1; justify-self: start; }
  .chip:disabled { opacity: .5; }
  .note { display: inline-flex; align-items: center; gap: 6px; padding: 4px 10px 4px 8px; border-radius: var(--r-full); background: rgb(12 14 16 / .66); font-size: var(--t-xs); color: var(--ink2); }
  .card { width: 100%; max-width: 30rem; padding: var(--s4); border-radius: 18px; background: rgb(22 26 29 / .94); border: 1px solid rgb(255 255 255 / .14); display: grid; grid-template-columns: auto minmax(0, 1fr); gap: 2px var(--s3); font-size: var(--t-sm); line-height: 1.4; }
  .card .i { color: #ffb3ae; margin-top: 1px; }
  .card b { font-weight: 650; }
  .card p { grid-column: 2; color: var(--ink2); }
  .card p b { color: #fff; font-weight: 600; }
  .card button { grid-column: 2; justify-self: start; margin-top: var(--s3); min-height: 48px; padding: 0 var(--s5); border-radius: 14px; border: 0; background: #3a4046; color: #fff; font-weight: 600; }

  /* three rows that never move: door, actions, one line of fact */
  .panel { position: relative; z-index: 2; padding: var(--s2) var(--s5) calc(env(safe-area-inset-bottom) + var(--s4)); display: grid; gap: var(--s6); background: var(--bottom); }
  .acts { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: var(--s3); }
  .acts.in { grid-template-columns: calc(50% - 6px) minmax(0, 1fr) minmax(0, 1fr); }
  .acts.out { grid-template-columns: 1fr; }
  .act { display: flex; align-items: center; justify-content: center; gap: 10px; min-height: 64px; padding: 0 8px; border-radius: var(--r-lg); border: 0; font-size: var(--t-md); font-weight: 600; letter-spacing: -.005em; line-height: 1.2; transition: transform var(--fast) var(--ease); }
  .act:active, .tog:active { transform: scale(.97); }
  .act .i { font-size: 1.3rem; }
  .answer { background: #1b8049; color: #fff; }
  .decline { background: #2a2e32; color: #ffb3ae; }
  .end { background: #c9363c; color: #fff; }
  .close { background: #2a2e32; color: #fff; }
  .act[aria-disabled="true"] { background: #1b1f22; color: #b6bbbe; box-shadow: inset 0 0 0 1px #4a5157; }
  .tog { min-height: 64px; border-radius: var(--r-lg); border: 0; background: #23272b; color: #fff; display: grid; place-content: center; justify-items: center; gap: 4px; font-size: min(var(--t-xs), 4.4vw); font-weight: 600; padding: 0 2px; letter-spacing: -.01em; transition: transform var(--fast) var(--ease); }
  .tog[aria-pressed="true"] { background: #fff; color: #14171a; }
  .tog .i { font-size: 1.3rem; }
  .fact { height: 2.7em; display: flex; align-items: flex-start; justify-content: center; gap: 8px; font-size: var(--t-xs); line-height: 1.35; color: var(--ink2); text-align: center; }
  .meter { display: inline-flex; gap: 3px; align-items: center; height: 1.35em; flex: none; }
  .meter i { width: 3px; border-radius: 2px; background: #63d493; height: 4px; }
  .meter i:nth-child(2) { height: 10px; } .meter i:nth-child(3) { height: 14px; } .meter i:nth-child(4) { height: 7px; }
  .outcome { min-height: 72px; border-radius: var(--r-lg); border: 2px solid #33393e; background: #171b1e; display: flex; align-items: center; gap: var(--s3); padding: 6px 18px; }
  .outcome .i { font-size: 1.35rem; color: #c6cacc; }
  .outcome b { display: block; font-weight: 650; letter-spacing: -.01em; line-height: 1.25; }
  .outcome small { display: block; font-size: var(--t-xs); color: var(--ink2); line-height: 1.3; }

  /* the light in the doorway */
  .call::after { content: ""; position: absolute; inset: 0; z-index: 1; pointer-events: none; opacity: 0; background: radial-gradient(120% 46% at 50% 78%, rgb(255 196 77 / .55), rgb(255 196 77 / .16) 48%, transparent 72%); mix-blend-mode: screen; transition: opacity 600ms var(--ease); }
  .call.lit::after { opacity: 1; }
  .call.lit .panel { background: none; }

  /* ringing is seen as well as heard; slow flashes for the first quarter of a minute, then the dot alone */
  .call.sounding::before { content: ""; position: absolute; inset: 0; z-index: 4; pointer-events: none; box-shadow: inset 0 0 0 4px rgb(255 255 255 / .85); opacity: 0; animation: flash 1.3s ease-in-out 12; }
  @keyframes flash { 40% { opacity: 1; } 80% { opacity: 0; } }
  .clock { display: none; }

  @media (max-height: 640px) and (orientation: portrait) {
    .panel { gap: var(--s4); padding-bottom: var(--s1); }
    .head { padding-top: calc(env(safe-area-inset-top) + var(--s4)); }
    .tools { top: calc(env(safe-area-inset-top) + var(--s4)); }
  }
  @media (max-width: 360px) and (orientation: portrait) {
    .tools { flex-direction: column-reverse; right: var(--s3); }
    .head { padding-inline: var(--s4) 72px; }
    .panel { padding-inline: var(--s4); }
    .over { inset-inline: var(--s4); }
    .act { font-size: var(--t-sm); }
  }
  /* a phone on its side: picture left, controls right */
  @media (orientation: landscape) and (max-width: 899px) {
    .call { grid-template: minmax(0, 1fr) / minmax(0, 1fr) minmax(300px, 44%); }
    .panel { align-content: end; overflow-y: auto; padding: var(--s4); }
    .pic::after { display: none; }
    .head { padding: var(--s4) 76px 0 var(--s4); }
    .tools { top: var(--s4); flex-direction: column-reverse; }
    .instead { padding: 90px var(--s5) 60px; }
  }
  /* station: wall tablet, landscape */
  @media (min-width: 900px) and (orientation: landscape) {
    .call { grid-template: minmax(0, 1fr) / minmax(0, 1fr) 416px; }
    .pic { margin: 28px 0 28px 28px; border-radius: 28px; }
    .pic::after { display: none; }
    .head { padding: 26px 160px 0 30px; }
    .tools { top: 24px; right: 24px; }
    video, .pic img { object-position: 50% 30%; }
    .over { inset: auto 30px 26px; }
    .panel { background: none; grid-template-rows: 1fr; padding: 34px 28px 20px; }
    .clock { display: block; align-self: start; text-align: end; }
    .clock b { display: block; font-size: 3.25rem; font-weight: 300; letter-spacing: -.03em; line-height: 1; }
    .clock span { display: block; color: var(--ink2); margin-top: var(--s1); }
    h1 { font-size: var(--t-2xl); }
    .act { min-height: 100px; font-size: 1.2rem; }
    .tog { min-height: 100px; font-size: 1rem; }
    .tog .i { font-size: 1.5rem; }
    .outcome { min-height: 120px; }
    .acts.in { grid-template-columns: repeat(2, minmax(0, 1fr)); }
    .acts.in .tog:last-child { display: none; } /* a wall station is always hands-free */
    .call::after { background: radial-gradient(60% 90% at 100% 70%, rgb(255 196 77 / .5), rgb(255 196 77 / .14) 50%, transparent 75%); }
  }
  @media (forced-colors: active) {
    .tog[aria-pressed="true"], .ib[aria-pressed="true"], .chip[aria-pressed="true"] { forced-color-adjust: none; background: Highlight; color: HighlightText; }
    .meter i, .state i { forced-color-adjust: none; background: CanvasText; }
    .outcome, .card, p.chip { border: 2px solid CanvasText; }
  }
`;
