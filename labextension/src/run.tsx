// The view of one run, live.
import React, { useRef, useState } from 'react';

import { Curves, lines } from './curves';
import { Trouble } from './fields';
import { Kit, askWithWord, attempt, usePoll } from './kit';
import { Progress, Status, when } from './panel';
import { Run, RunEvent, Values, address, ask, errorText, figureText, isLive, query, timeText, valueText } from './server';

export interface Events {
  events: RunEvent[];
  offset: number;
  status: string;
}

export function Table({ values, head, plain }: { values: [string, React.ReactNode][]; head: string; plain?: boolean }): JSX.Element {
  return (
    <table className="ftkit-table">
      <caption>{head}</caption>
      <tbody>
        {values.map(([name, value]) => (
          <tr key={name}>
            <th scope="row">{plain ? name : name.replace(/_/g, ' ')}</th>
            <td>{value}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const texts = (values: Values): [string, string][] => Object.entries(values).map(([k, v]) => [k, valueText(v) || '–']);

function Buttons({ kit, run, again }: { kit: Kit; run: Run; again: () => Promise<void> }): JSX.Element {
  const { trans } = kit;
  const act = (what: string, body = {}) =>
    attempt(kit, async () => {
      await askWithWord(kit, `runs/${run.id}/${what}`, body);
      await again();
    });
  const notebook = run.paths.notebook;
  return (
    <div className="ftkit-bar ftkit-sticky">
      {isLive(run.status) && (
        <button className="jp-mod-styled jp-mod-warn" onClick={() => act('stop')}>
          {trans.__('Stop')}
        </button>
      )}
      {['stopped', 'failed', 'lost'].includes(run.status) && (
        <button className="jp-mod-styled jp-mod-accept" title={trans.__('Go on from the last checkpoint')} onClick={() => act('resume')}>
          {trans.__('Resume')}
        </button>
      )}
      <button
        className="jp-mod-styled"
        disabled={!run.source}
        title={run.source ? '' : trans.__('Its notebook is not below the folder of this server')}
        onClick={() => kit.open({ kind: 'new', template: run.source!, given: run.chosen, options: {} })}
      >
        {trans.__('Run again with changes')}
      </button>
      <button
        className="jp-mod-styled"
        disabled={!notebook}
        title={notebook ? '' : trans.__('There is none below the folder of this server')}
        onClick={() => attempt(kit, () => kit.openNotebook(notebook, true))}
      >
        {run.status === 'failed' && run.cells.some(c => c.status === 'failed') ? trans.__('Open notebook at the failing cell') : trans.__('Open notebook')}
      </button>
      <button className="jp-mod-styled" disabled={!run.has.report} onClick={() => kit.openReport(run.id)}>
        {trans.__('Open report')}
      </button>
      {run.has.model && (
        <a className="jp-mod-styled ftkit-link" href={address(`runs/${run.id}/model`)} download>
          {trans.__('Download model')}
        </a>
      )}
    </div>
  );
}

export function RunView({ kit, id }: { kit: Kit; id: string }): JSX.Element {
  const { trans } = kit;
  const [run, setRun] = useState<Run>();
  const [events, setEvents] = useState<RunEvent[]>([]);
  const [trouble, setTrouble] = useState('');
  const offset = useRef(0);
  const status = useRef('');
  const asked = useRef(0);
  const look = async () => {
    try {
      const found = await ask<Events>(`runs/${id}/events${query({ offset: offset.current })}`);
      if (found.events.length) setEvents(before => [...before, ...found.events]);
      const late = isLive(found.status) && Date.now() - asked.current > 3000; // a silent cell: its time goes on
      if (found.events.length || found.status !== status.current || late) {
        asked.current = Date.now();
        setRun(await ask<Run>(`runs/${id}`));
      }
      [offset.current, status.current] = [found.offset, found.status];
      setTrouble('');
    } catch (e) {
      setTrouble((e as Error).message);
    }
  };
  const place = usePoll(kit, look);
  const said = run && errorText(run.error);
  return (
    <div className="ftkit-view" ref={place}>
      <Trouble said={trouble} />
      {run && (
        <>
          <h1>
            {run.template} <Status kit={kit} status={run.status} />
          </h1>
          <p className="ftkit-quiet">
            {run.id} · {when(run)} · {timeText(run.seconds)}
            {run.needs.length > 0 && ` · ${trans.__('needs %1', run.needs.join(', '))}`}
          </p>
          <Buttons kit={kit} run={run} again={look} />
          <Progress row={run} />
          {said && (
            <pre role="alert" className="ftkit-error">
              {said}
            </pre>
          )}
          <Curves kit={kit} found={lines(events)} />
          <div className="ftkit-tables">
            {Object.keys(run.figures).length > 0 && <Table head={trans.__('Figures')} values={Object.entries(run.figures).map(([k, v]) => [k, figureText(v)])} />}
            <Table head={trans.__('Chosen parameters')} values={texts(run.chosen)} plain />
            {Object.keys(run.stages).length > 0 && <Table head={trans.__('Stages')} values={Object.entries(run.stages).map(([k, v]) => [k, timeText(v)])} />}
            <Table
              head={trans.__('Cells')}
              values={run.cells.map((c, i) => [`${i + 1}`, <span key={c.id} className={`ftkit-cell-${c.status}`}>{`${trans.__(c.status)} ${timeText(c.seconds)}  ${c.source.slice(0, 60)}`}</span>])}
            />
          </div>
          <details>
            <summary>{trans.__('All parameters')}</summary>
            <Table head="" values={texts(run.parameters)} plain />
          </details>
          <details>
            <summary>{trans.__('What the run told')}</summary>
            <Table head="" values={texts(run.facts)} />
          </details>
        </>
      )}
    </div>
  );
}
