// What the page is drawn with: preact, signals and htm, as the classic scripts of vendor/ left them.
const { preact, preactHooks, preactSignals, htm } = globalThis;

export const { h, render, Fragment, createRef } = preact;
export const { useEffect, useLayoutEffect, useRef, useState, useMemo, useId } = preactHooks;
export const { signal, computed, effect, batch, useSignal, useComputed, useSignalEffect } = preactSignals;
export const html = htm.bind(h);

/** Class names: those that hold. */
export const classes = (...names) => names.filter(Boolean).join(" ");
