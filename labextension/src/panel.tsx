// The side panel: all runs, newest first, as they are now. Only the rows that can be seen are asked for and drawn.
import React, { useRef, useState } from 'react';

import { Kit, usePoll } from './kit';
import { Row, ask, errorText, figureText, query, timeText } from './server';

const HIGH = 64; // pixels of a row
const MARKS: Record<string, string> = { queued: '◷', running: '▶', completed: '✓', failed: '✗', stopped: '■', lost: '?' };

export function Status({ kit, status }: { kit: Kit; status: string }): JSX.Element {
  return (
    <span className={`ftkit-status ftkit-${status}`}>
      <span aria-hidden="true">{MARKS[status] ?? ''}</span> {kit.trans.__(status)}
    </span>
  );
}

export function Progress({ row }: { row: Pick<Row, 'progress' | 'status'> }): JSX.Element | null {
  const e = row.progress;
  if (row.status !== 'running' || !e?.of) return null;
  const loss = Object.entries(e).find(([k, v]) => /loss$/.test(k) && typeof v === 'number');
  const said = `${e.stage} ${e.step ?? 0} / ${e.of}${loss ? `, ${loss[0].replace('_', ' ')} ${(loss[1] as number).toPrecision(3)}` : ''}`;
  return (
    <span className="ftkit-progress">
      <progress value={e.step ?? 0} max={e.of} aria-label={said} /> <span className="ftkit-quiet">{said}</span>
    </span>
  );
}

export const when = (row: Pick<Row, 'created'>) => (row.created ? new Date(row.created * 1000).toLocaleString([], { dateStyle: 'short', timeStyle: 'short' }) : '');

interface Page {
  total: number;
  running: number;
  queued: number;
  offset: number;
  rows: Row[];
}

export function Panel({ kit }: { kit: Kit }): JSX.Element {
  const { trans } = kit;
  const [words, setWords] = useState('');
  const [page, setPage] = useState<Page>();
  const [marked, setMarked] = useState<string[]>([]);
  const [trouble, setTrouble] = useState('');
  const list = useRef<HTMLDivElement>(null);
  const latest = useRef('');
  const look = async () => {
    const offset = Math.max(0, Math.floor((list.current?.scrollTop ?? 0) / HIGH) - 8);
    const limit = Math.ceil((list.current?.clientHeight || 600) / HIGH) + 16;
    try {
      const found = await ask<Page>(`runs${query({ limit, offset, words })}`);
      const text = JSON.stringify([found, offset]);
      if (text !== latest.current) setPage({ ...found, offset });
      latest.current = text;
      setTrouble('');
    } catch (e) {
      setTrouble((e as Error).message);
    }
  };
  const place = usePoll(kit, look, [words]);
  const scrolling = useRef(0);
  const scrolled = () => {
    window.clearTimeout(scrolling.current);
    scrolling.current = window.setTimeout(look, 60);
  };
  const mark = (id: string) => setMarked(marked.includes(id) ? marked.filter(m => m !== id) : [...marked, id]);
  return (
    <div className="ftkit-panel" ref={place}>
      <div className="ftkit-bar">
        <button className="jp-mod-styled jp-mod-accept" onClick={() => kit.open({ kind: 'new', template: '', given: {}, options: {} })}>
          {trans.__('New run')}
        </button>
        <button className="jp-mod-styled" onClick={() => kit.open({ kind: 'batch', template: '', grid: {}, given: {}, jobs: '', name: '' })}>
          {trans.__('Batches')}
        </button>
        <button className="jp-mod-styled" disabled={marked.length < 2} title={trans.__('Mark two runs or more')} onClick={() => kit.open({ kind: 'compare', ids: marked })}>
          {trans.__('Compare (%1)', marked.length)}
        </button>
      </div>
      <input type="search" className="jp-mod-styled ftkit-wide" placeholder={trans.__('Filter: status, name, value')} aria-label={trans.__('Filter the runs')} value={words} onChange={e => setWords(e.target.value)} />
      <div className="ftkit-quiet" role="status">
        {trouble || (page && trans._n('%1 run, %2 running, %3 queued', '%1 runs, %2 running, %3 queued', page.total, page.running, page.queued))}
      </div>
      <div className="ftkit-list" ref={list} onScroll={scrolled} role="list" aria-label={trans.__('Runs')}>
        <div style={{ height: (page?.total ?? 0) * HIGH, position: 'relative' }}>
          {page?.rows.map((row, i) => (
            <div key={row.id} role="listitem" className="ftkit-row" style={{ top: (page.offset + i) * HIGH, height: HIGH }} data-run={row.id}>
              <input type="checkbox" checked={marked.includes(row.id)} onChange={() => mark(row.id)} aria-label={trans.__('Compare %1', row.id)} />
              <button className="ftkit-plain" onClick={() => kit.open({ kind: 'run', id: row.id })} title={row.id}>
                <span className="ftkit-line">
                  <Status kit={kit} status={row.status} /> <b>{row.template}</b>
                </span>
                <span className="ftkit-line">
                  {row.progress ? <Progress row={row} /> : row.metric ? `${row.metric.replace('_', ' ')} ${figureText(row.value)}` : errorText(row.error)}
                </span>
                <span className="ftkit-line ftkit-quiet">
                  {when(row)} · {timeText(row.seconds)}
                </span>
              </button>
            </div>
          ))}
        </div>
      </div>
    </div>
  );
}
