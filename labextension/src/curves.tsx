// Curves of losses and metrics out of a run's events, drawn with nothing but SVG.
import React from 'react';

import { Kit } from './kit';
import { RunEvent } from './server';

export interface Line {
  name: string;
  points: [number, number][]; // step, value
}

const NO_CURVE = new Set(['time', 'step', 'of', 'seconds', 'epoch', 'rate', 'number']);
const NO_STAGE = new Set(['made', 'facts', 'cell']);

/** Lines by what they show: steps of all stages one after the other; an epoch's figures stand at its last step. */
export function lines(events: RunEvent[]): Line[] {
  const found = new Map<string, Map<number, number>>();
  let before = 0;
  let stage = '';
  let steps = 0;
  let latest = 0;
  for (const e of events) {
    if (NO_STAGE.has(e.stage)) continue;
    const values = Object.entries(e).filter(([k, v]) => !NO_CURVE.has(k) && typeof v === 'number' && Number.isFinite(v)) as [string, number][];
    if (!values.length) continue;
    if (e.stage !== stage) [before, stage, steps, latest] = [before + steps, e.stage, 0, 0];
    if (e.of) [steps, latest] = [Math.max(steps, e.of), e.step ?? 0];
    for (const [name, value] of values) {
      if (!found.has(name)) found.set(name, new Map());
      found.get(name)!.set(before + (e.of || latest ? (e.step ?? latest) : (e.epoch ?? 0)), value);
    }
  }
  return [...found].map(([name, points]) => ({ name, points: [...points].sort((a, b) => a[0] - b[0]) }));
}

const SHADES = ['#1f77b4', '#ff7f0e', '#2ca02c', '#d62728', '#9467bd', '#8c564b', '#e377c2', '#7f7f7f', '#bcbd22', '#17becf'];
const DASHES = ['', '6 3', '2 3', '8 3 2 3'];
const [WIDE, HIGH, LEFT, FOOT] = [420, 180, 46, 22];

const short = (x: number) => (x === 0 ? '0' : Math.abs(x) >= 1000 ? x.toExponential(0) : String(Number(x.toPrecision(2))));

function Plot({ title, shown }: { title: string; shown: Line[] }): JSX.Element | null {
  const all = shown.flatMap(l => l.points);
  if (!all.length) return null;
  const [xs, ys] = [all.map(p => p[0]), all.map(p => p[1])];
  const range = (values: number[]): [number, number] => [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
  const [x0, x1] = range(xs);
  const [y0, y1] = range(ys);
  const at = ([x, y]: [number, number]): [number, number] => [
    LEFT + ((x - x0) / (x1 - x0 || 1)) * (WIDE - LEFT - 8),
    HIGH - FOOT - ((y - y0) / (y1 - y0 || 1)) * (HIGH - FOOT - 10)
  ];
  const said = shown.map(l => `${l.name} ${short(l.points[l.points.length - 1][1])}`).join(', ');
  return (
    <figure className="ftkit-plot">
      <svg viewBox={`0 0 ${WIDE} ${HIGH}`} role="img" aria-label={`${title}: ${said}`}>
        <path d={`M${LEFT} 6V${HIGH - FOOT}H${WIDE - 4}`} className="ftkit-axis" />
        <text x={LEFT - 4} y={14} textAnchor="end">{short(y1)}</text>
        <text x={LEFT - 4} y={HIGH - FOOT} textAnchor="end">{short(y0)}</text>
        <text x={LEFT} y={HIGH - 6}>{x0}</text>
        <text x={WIDE - 8} y={HIGH - 6} textAnchor="end">{x1}</text>
        {shown.map((l, i) => {
          const points = l.points.map(at);
          const style = { stroke: SHADES[i % SHADES.length], strokeDasharray: DASHES[Math.floor(i / SHADES.length) % DASHES.length] };
          if (points.length === 1) return <circle key={i} cx={points[0][0]} cy={points[0][1]} r={3} style={{ fill: style.stroke }} />;
          return <polyline key={i} points={points.map(p => p.map(v => v.toFixed(1)).join()).join(' ')} style={style} />;
        })}
      </svg>
      <figcaption>
        <b>{title}</b>{' '}
        {shown.map((l, i) => (
          <span key={i} className="ftkit-key">
            <i style={{ background: SHADES[i % SHADES.length] }} /> {l.name}
          </span>
        ))}
      </figcaption>
    </figure>
  );
}

export const isLoss = (line: Line) => /(^|[_ ])loss\b/.test(line.name);

/** Losses in one plot, all else in another. */
export function Curves({ kit, found }: { kit: Kit; found: Line[] }): JSX.Element {
  return (
    <div className="ftkit-curves">
      <Plot title={kit.trans.__('Loss')} shown={found.filter(isLoss)} />
      <Plot title={kit.trans.__('Metrics')} shown={found.filter(l => !isLoss(l))} />
    </div>
  );
}
