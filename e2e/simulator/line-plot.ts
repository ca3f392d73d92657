/** Draws lines over time as SVG. */

/** A line: its name, colour and points. */
export interface Line {
  readonly name: string;
  readonly color: string;
  readonly points: readonly { readonly at: number; readonly pods: number }[];
}

const WIDTH = 640;
const HEIGHT = 160;
const LEFT = 36;
const BOTTOM = 22;

/** Draws the lines in one plot, from 0 to the largest value, as steps. */
export function linePlot(title: string, lines: readonly Line[]): string {
  const all = lines.flatMap(({ points }) => points);
  const end = all.reduce((most, { at }) => Math.max(most, at), 1);
  const top = all.reduce((most, { pods }) => Math.max(most, pods), 1);
  const x = (at: number) => (LEFT + (at / end) * WIDTH).toFixed(1);
  const y = (pods: number) => (10 + HEIGHT - (pods / top) * HEIGHT).toFixed(1);
  const drawn = lines.map(({ name, color, points }, i) => {
    const steps = points.flatMap(({ at, pods }, n) => {
      const before = points[n - 1]?.pods;
      if (before === pods && n < points.length - 1) return [];
      return before === undefined ? [`M${x(at)} ${y(pods)}`] : [`H${x(at)}`, `V${y(pods)}`];
    });
    return [
      `<path d="${steps.join('')}" fill="none" stroke="${color}" stroke-width="1.2"/>`,
      `<text x="${LEFT + WIDTH + 8}" y="${24 + 18 * i}" fill="${color}">${name}</text>`,
    ].join('');
  });
  const axes = [
    `<path d="M${LEFT} 10V${10 + HEIGHT}H${LEFT + WIDTH}" fill="none" stroke="#888"/>`,
    `<text x="${LEFT - 6}" y="20" text-anchor="end">${top}</text>`,
    `<text x="${LEFT - 6}" y="${10 + HEIGHT}" text-anchor="end">0</text>`,
    `<text x="${LEFT + WIDTH}" y="${HEIGHT + 26}" text-anchor="end">${Math.round(end / 60)} min</text>`,
    `<text x="${LEFT}" y="${HEIGHT + 26}">${title}</text>`,
  ];
  const size = `width="${LEFT + WIDTH + 90}" height="${10 + HEIGHT + BOTTOM}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="sans-serif" font-size="12" fill="#222"><title>${title}</title>${[...axes, ...drawn].join('')}</svg>\n`;
}
