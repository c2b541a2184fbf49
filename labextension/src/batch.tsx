// Many runs of one notebook: a grid over its schema, and the results as a table.
import React, { useEffect, useRef, useState } from 'react';

import { Help, Trouble } from './fields';
import { Args, Kit, attempt, usePoll } from './kit';
import { TemplateChoice, useForm } from './new';
import { Status } from './panel';
import { Property, Values, ask, figureText, timeText, valueText } from './server';

type BatchArgs = Extract<Args, { kind: 'batch' }>;

interface Plan {
  name: string;
  runs: number;
  told: string[];
  rows: Values[];
  wrong: Record<string, string>;
}

interface Summary {
  name: string;
  [status: string]: string | number;
}

interface Batch {
  name: string;
  template: string;
  runs: number;
  counts: Record<string, number>;
  drivers: object[];
  seconds_left: number | null;
  results: Values[];
}

function GridRow({ kit, name, property, text, wrong, change }: { kit: Kit; name: string; property: Property; text: string; wrong?: string; change: (text?: string) => void }): JSX.Element {
  const label = kit.trans.__('Values of %1, between commas', name);
  return (
    <div className={`ftkit-field ${wrong ? 'ftkit-wrong' : ''}`} data-parameter={name}>
      <label>{name}</label>
      <span className="ftkit-control">
        <input type="text" className="jp-mod-styled ftkit-wide" aria-label={label} placeholder={label} value={text} spellCheck={false} onChange={e => change(e.target.value)} />
        <button className="ftkit-plain" aria-label={kit.trans.__('Leave %1 out', name)} onClick={() => change()}>
          ✕
        </button>
      </span>
      <Help property={property} wrong={wrong} />
    </div>
  );
}

function NewBatch({ kit, args, keep }: { kit: Kit; args: BatchArgs; keep: (args: BatchArgs) => void }): JSX.Element {
  const { trans } = kit;
  const { template, grid, jobs } = args;
  const given = args.given ?? {}; // a view of an earlier version has none
  const [form, trouble] = useForm(template);
  const [plan, setPlan] = useState<Plan>();
  const [problem, setProblem] = useState('');
  const fixed = Object.fromEntries(Object.entries(given).filter(([name]) => !(name in grid)));
  const body = { template, grid, parameters: fixed, jobs: jobs || null };
  useEffect(() => {
    setPlan(undefined);
    if (!template) return;
    const checked = (found: Plan | undefined, said: string) => {
      setPlan(found);
      setProblem(said);
    };
    const timer = window.setTimeout(() => ask<Plan>('batches', body).then(found => checked(found, ''), e => checked(undefined, e.message)), 300);
    return () => window.clearTimeout(timer);
  }, [template, grid, given, jobs]);
  const properties = form?.schema.properties ?? {};
  const rest = Object.keys(properties).filter(name => !(name in grid));
  const set = (name: string, text?: string) => {
    const { [name]: _, ...others } = grid;
    keep({ ...args, grid: text === undefined ? others : { ...grid, [name]: text } });
  };
  const wrong = plan?.wrong ?? {};
  const ready = plan && !Object.keys(wrong).length && plan.runs > 0;
  return (
    <>
      <TemplateChoice kit={kit} template={template} change={template => keep({ ...args, template, grid: {}, given: {} })} />
      <Trouble said={trouble || problem} />
      {form && (
        <>
          <div className="ftkit-fields">
            {Object.entries(grid).map(([name, text]) => properties[name] && <GridRow key={name} kit={kit} name={name} property={properties[name]} text={text} wrong={wrong[name]} change={t => set(name, t)} />)}
          </div>
          {Object.keys(fixed).length > 0 && (
            <p>
              {trans.__('The same in all runs:')} {Object.entries(fixed).map(([name, value]) => `${name} = ${valueText(value) || '–'}`).join(', ')}{' '}
              <button className="jp-mod-styled" onClick={() => keep({ ...args, given: {} })}>
                {trans.__('Leave these out')}
              </button>
            </p>
          )}
          {Object.entries(wrong)
            .filter(([name]) => !(name in grid))
            .map(([name, said]) => (
              <Trouble key={name} said={said} />
            ))}
          <div className="ftkit-bar">
            <select className="jp-mod-styled" aria-label={trans.__('Add a parameter')} value="" onChange={e => set(e.target.value, valueText(given[e.target.value] ?? properties[e.target.value].default))}>
              <option value="">{trans.__('Add a parameter…')}</option>
              {rest.map(name => (
                <option key={name}>{name}</option>
              ))}
            </select>
            <label>
              {trans.__('Runs at a time')} <input type="text" inputMode="numeric" size={3} className="jp-mod-styled" value={jobs} placeholder="1" title={trans.__('Empty: one after the other')} onChange={e => keep({ ...args, jobs: e.target.value })} />
            </label>
            <button
              className="jp-mod-styled jp-mod-accept"
              disabled={!ready}
              onClick={() => attempt(kit, async () => keep({ ...args, name: (await ask<Plan>('batches', { ...body, start: true })).name }))}
            >
              {plan ? trans._n('Start %1 run', 'Start %1 runs', plan.runs) : trans.__('Start')}
            </button>
            <span className="ftkit-quiet">{plan?.told.join(' ')}</span>
          </div>
        </>
      )}
    </>
  );
}

function Results({ kit, name }: { kit: Kit; name: string }): JSX.Element {
  const { trans } = kit;
  const [batch, setBatch] = useState<Batch>();
  const [trouble, setTrouble] = useState('');
  const misses = useRef(0);
  const place = usePoll(
    kit,
    async () => {
      if (batch?.name === name && !batch.drivers.length && !batch.counts.running && !batch.counts.waiting) return;
      try {
        setBatch(await ask<Batch>(`batches/${encodeURIComponent(name)}`));
        setTrouble('');
        misses.current = 0;
      } catch (e) {
        if (++misses.current > 3) setTrouble((e as Error).message); // its driver makes it a moment after it was asked for
      }
    },
    [name]
  );
  const columns = [...new Set((batch?.results ?? []).flatMap(r => Object.keys(r)))].filter(c => !['run', 'number', 'status'].includes(c));
  const going = !!batch?.drivers.length;
  const shown = (column: string, value: unknown) => (column === 'seconds' ? timeText(value as number) : typeof value === 'number' ? figureText(value) : valueText(value));
  return (
    <div ref={place}>
      <h2>{name}</h2>
      <Trouble said={trouble} />
      {batch && (
        <>
          <p role="status">
            {Object.entries(batch.counts).map(([k, v]) => `${v} ${trans.__(k)}`).join(', ')}
            {going && batch.seconds_left !== null && ` · ${trans.__('about %1 left', timeText(batch.seconds_left))}`}{' '}
            <progress value={batch.counts.completed ?? 0} max={batch.runs} aria-label={trans.__('Runs that are done')} />{' '}
            {going && (
              <button className="jp-mod-styled jp-mod-warn" onClick={() => attempt(kit, () => ask(`batches/${encodeURIComponent(name)}`, undefined, 'DELETE'))}>
                {trans.__('Cancel')}
              </button>
            )}
            <button className="jp-mod-styled" disabled={batch.results.filter(r => r.run).length < 2} onClick={() => kit.open({ kind: 'compare', ids: batch.results.flatMap(r => (r.run ? [String(r.run)] : [])).slice(0, 8) })}>
              {trans.__('Compare the best')}
            </button>
          </p>
          <div className="ftkit-scroll">
            <table className="ftkit-table">
              <thead>
                <tr>
                  <th scope="col">{trans.__('run')}</th>
                  {columns.map(c => (
                    <th key={c} scope="col">
                      {c.replace(/_/g, ' ')}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {batch.results.map((r, i) => (
                  <tr key={i}>
                    <td>
                      <button className="ftkit-plain" disabled={!r.run} onClick={() => kit.open({ kind: 'run', id: String(r.run) })}>
                        <Status kit={kit} status={String(r.status)} />
                      </button>
                    </td>
                    {columns.map(c => (
                      <td key={c}>{shown(c, r[c])}</td>
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </>
      )}
    </div>
  );
}

export function BatchView({ kit, args, keep }: { kit: Kit; args: BatchArgs; keep: (args: BatchArgs) => void }): JSX.Element {
  const { trans } = kit;
  const [there, setThere] = useState<Summary[]>([]);
  const place = usePoll(kit, async () => setThere(await ask<Summary[]>('batches')), [args.name]);
  return (
    <div className="ftkit-view" ref={place}>
      <h1>{trans.__('Batches')}</h1>
      <div className="ftkit-bar">
        <select className="jp-mod-styled" aria-label={trans.__('Batch')} value={args.name} onChange={e => keep({ ...args, name: e.target.value })}>
          <option value="">{trans.__('New batch')}</option>
          {there.map(b => (
            <option key={b.name} value={b.name}>
              {trans.__('%1: %2 done, %3 failed, %4 to do', b.name, b.completed, b.failed, Number(b.waiting) + Number(b.running) + Number(b.queued))}
            </option>
          ))}
          {args.name && !there.some(b => b.name === args.name) && <option value={args.name}>{args.name}</option>}
        </select>
      </div>
      {args.name ? <Results key={args.name} kit={kit} name={args.name} /> : <NewBatch kit={kit} args={args} keep={keep} />}
    </div>
  );
}
