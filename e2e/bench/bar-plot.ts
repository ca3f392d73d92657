/** A plot of horizontal bars as SVG. */

export interface Bar {
  readonly name: string;
  readonly value: number;
  /** Text at the end of the bar. */
  readonly label: string;
  readonly isEmphasized: boolean;
}

const HEIGHT = 22;
const GAP = 8;
const WIDTH = 420;
const NAME_WIDTH = 90;

/** Draws the bars one below the other, that of the largest value over the whole width. */
export function barPlot(title: string, bars: readonly Bar[]): string {
  const most = Math.max(...bars.map(({ value }) => value));
  const rows = bars.map(({ name, value, label, isEmphasized }, i) => {
    const y = i * (HEIGHT + GAP);
    const width = Math.max(1, (value / most) * WIDTH);
    const fill = isEmphasized ? '#2a6f97' : '#a9b4c2';
    return [
      `<text x="0" y="${y + 16}">${name}</text>`,
      `<rect x="${NAME_WIDTH}" y="${y}" width="${width.toFixed(1)}" height="${HEIGHT}" fill="${fill}"/>`,
      `<text x="${(NAME_WIDTH + width + 6).toFixed(1)}" y="${y + 16}">${label}</text>`,
    ].join('');
  });
  const height = bars.length * (HEIGHT + GAP);
  const size = `width="${NAME_WIDTH + WIDTH + 60}" height="${height}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="sans-serif" font-size="13" fill="#222"><title>${title}</title>${rows.join('')}</svg>\n`;
}
