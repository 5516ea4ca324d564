// Builds elements. Text is always text: nothing here parses markup.
let count = 0;

/** `on…` props are listeners, all others attributes; `null`, `undefined` and `false` leave one out. */
export function el(tag, props, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** An id that is used once, for labels and descriptions. */
export function uniqueId(stem) {
  count += 1;
  return `${stem}-${count}`;
}

/** Says something to a screen reader without moving the focus. */
export function announce(text) {
  const status = document.getElementById('status');
  status.textContent = '';
  setTimeout(() => { status.textContent = text; }, 100);
}
