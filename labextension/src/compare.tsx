// Runs beside each other: what was chosen differently and what came of it.
import React, { useState } from 'react';

import { Curves, Line, isLoss, lines } from './curves';
import { Trouble } from './fields';
import { Kit, usePoll } from './kit';
import { Events } from './run';
import { Comparison, ask, figureText, isLive, query, timeText, valueText } from './server';

export function CompareView({ kit, ids }: { kit: Kit; ids: string[] }): JSX.Element {
  const { trans } = kit;
  const [found, setFound] = useState<Comparison>();
  const [curves, setCurves] = useState<Line[]>([]);
  const [trouble, setTrouble] = useState('');
  const place = usePoll(kit, async () => {
    if (found && !found.runs.some(r => isLive(r.status))) return;
    try {
      setFound(await ask<Comparison>(`compare${query({ runs: ids.join(',') })}`));
      const events = await Promise.all(ids.map(id => ask<Events>(`runs/${id}/events`)));
      const each = events.map(e => lines(e.events));
      const losses = each.flatMap(ls => ls.filter(isLoss).map(l => l.name));
      const loss = losses.find(n => /^valid/.test(n)) ?? losses.find(n => /^train/.test(n)) ?? losses[0];
      const wanted = (l: Line) => l.name === loss || !isLoss(l);
      setCurves(each.flatMap((ls, i) => ls.filter(wanted).map(l => ({ ...l, name: `${l.name.replace(/_/g, ' ')} ${ids[i].slice(-6)}` }))));
      setTrouble('');
    } catch (e) {
      setTrouble((e as Error).message);
    }
  });
  const row = (name: string, values: string[], key = name) => (
    <tr key={key}>
      <th scope="row">{name.replace(/_/g, ' ')}</th>
      {values.map((v, i) => (
        <td key={i}>{v}</td>
      ))}
    </tr>
  );
  return (
    <div className="ftkit-view" ref={place}>
      <h1>{trans.__('Compare %1 runs', ids.length)}</h1>
      <Trouble said={trouble} />
      {found && (
        <>
          <div className="ftkit-scroll">
            <table className="ftkit-table">
              <thead>
                <tr>
                  <td />
                  {found.runs.map(r => (
                    <th key={r.id} scope="col">
                      <button className="ftkit-plain" onClick={() => kit.open({ kind: 'run', id: r.id })}>
                        {r.id}
                      </button>
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {row(trans.__('status'), found.runs.map(r => trans.__(r.status)))}
                {row(trans.__('time'), found.runs.map(r => timeText(r.seconds)))}
                <tr>
                  <th colSpan={ids.length + 1}>{trans.__('Parameters that differ')}</th>
                </tr>
                {Object.entries(found.parameters).map(([k, v]) => row(k, v.map(x => valueText(x) || '–'), `p ${k}`))}
                <tr>
                  <th colSpan={ids.length + 1}>{trans.__('Figures, with 95 % intervals')}</th>
                </tr>
                {Object.entries(found.figures).map(([k, v]) => row(k, v.map(figureText), `f ${k}`))}
                {found.differences.some(d => d) && row(trans.__('minus the first, row by row'), found.differences.map(figureText))}
              </tbody>
            </table>
          </div>
          <Curves kit={kit} found={curves} />
        </>
      )}
    </div>
  );
}
