// The icons, drawn on a grid of 24 in strokes of the text's colour. They are decoration: the words beside them say the same.
const SVG = 'http://www.w3.org/2000/svg';
const SHAPES = {
  alert: ['M12 3.5 21.5 20h-19z', 'M12 10v4.5', 'M12 17.300v.1'],
  check: ['m5 12.5 4.5 4.5L19 7.5'],
  circle: ['M12 6.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11z'],
  clock: ['M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17z', 'M12 7.5V12l3 2'],
  close: ['m6 6 12 12', 'M18 6 6 18'],
  desktop: ['M3.5 4.5h17v11h-17z', 'M9 20h6', 'M12 15.5V20'],
  eye: ['M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12z', 'M12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6z'],
  eyeOff: ['M9.5 5.900A9 9 0 0 1 12 5.5c6 0 9.5 6.5 9.5 6.5a17 17 0 0 1-2.7 3.5', 'M6.5 7.300A16 16 0 0 0 2.5 12s3.5 6.5 9.5 6.5a9 9 0 0 0 4.4-1.2', 'M10 10a3 3 0 0 0 4.1 4.2', 'm4 4 16 16'],
  globe: ['M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17z', 'M3.5 12h17', 'M12 3.5c3 2.5 3 14.5 0 17', 'M12 3.5c-3 2.5-3 14.5 0 17'],
  home: ['m3.5 11 8.5-7 8.5 7', 'M6 9.5V20h12V9.5', 'M10 20v-5.5h4V20'],
  info: ['M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17z', 'M12 11v5.5', 'M12 7.700v.1'],
  key: ['M8 10.5a4.5 4.5 0 1 0 0 9 4.500 4.500 0 0 0 0-9z', 'm11.5 11.700 8-8', 'm15.500 7.700 3 3'],
  list: ['M9 6.5h11', 'M9 12h11', 'M9 17.5h11', 'M4.500 6.5h.1', 'M4.500 12h.1', 'M4.500 17.5h.1'],
  mail: ['M3.5 5.5h17v13h-17z', 'm4 6.5 8 6.5 8-6.5'],
  menu: ['M4 6.5h16', 'M4 12h16', 'M4 17.5h16'],
  narrow: ['M14.5 6.5 9 12l5.5 5.5'],
  people: ['M9 4.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7z', 'M2.5 19.5c.4-3.5 3-5 6.500-5s6.100 1.500 6.500 5', 'M15.500 4.800a3.5 3.5 0 0 1 0 6.400', 'M18 15c2 .7 3.200 2.200 3.500 4.500'],
  plus: ['M12 5v14', 'M5 12h14'],
  program: ['m8 7-5 5 5 5', 'm16 7 5 5-5 5'],
  out: ['M10 4H4.5v16H10', 'M9.5 12h11', 'm16.5 8 4 4-4 4'],
  shield: ['M12 3.5 19.5 6v5.5c0 4.500-3 7.500-7.5 9-4.500-1.500-7.500-4.500-7.500-9V6z', 'm8.500 12 2.500 2.500 4.500-5'],
  search: ['M10.5 4.5a6 6 0 1 0 0 12 6 6 0 0 0 0-12z', 'm15 15 5.500 5.500'],
  ticket: ['M3.5 6.5h17v3.500a2 2 0 0 0 0 4v3.5h-17V14a2 2 0 0 0 0-4z', 'M13.500 6.5v2', 'M13.500 11v2', 'M13.500 15.5v2'],
  user: ['M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8z', 'M4.5 20.5c.5-4 3.500-6 7.500-6s7 2 7.500 6'],
  phone: ['M7 3h10v18H7z', 'M11 17.800h2'],
};
/** The mark of the console when the policy names no logo: a doorway with a keyhole. */
const MARK = ['M4 30V15a12 12 0 0 1 24 0v15z', 'M16 9.5a4 4 0 0 1 2.2 7.350L19.5 24h-7l1.3-7.150A4 4 0 0 1 16 9.5z'];

export function icon(name) {
  return draw('0 0 24 24', SHAPES[name], 'icon');
}

export function mark() {
  return draw('0 0 32 32', MARK, 'mark');
}

/** A ring that empties with `share`, from 1 to 0. */
export function ring() {
  const node = svg('svg', { viewBox: '0 0 120 120', class: 'ring', 'aria-hidden': 'true', focusable: 'false' });
  const circle = (name) => svg('circle', { cx: 60, cy: 60, r: 54, pathLength: 100, class: name });
  const left = circle('ring-left');
  node.append(circle('ring-whole'), left);
  return { element: node, show: (share) => left.setAttribute('stroke-dashoffset', String(100 - 100 * Math.min(1, Math.max(0, share)))) };
}

function draw(viewBox, paths, name) {
  const node = svg('svg', { viewBox, class: name, 'aria-hidden': 'true', focusable: 'false' });
  node.append(...paths.map((d) => svg('path', { d })));
  return node;
}

function svg(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}
