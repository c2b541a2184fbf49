// The view of a run that is to be: a form out of the notebook's schema.
import React, { useEffect, useState } from 'react';

import { Fields, Trouble } from './fields';
import { Args, Kit, attempt } from './kit';
import { Form, ask, query } from './server';

export interface Template {
  name: string;
  title: string;
}

type NewArgs = Extract<Args, { kind: 'new' }>;

/** The form of a notebook; the second one is what is wrong with it. */
export function useForm(template: string): [Form | undefined, string] {
  const [form, setForm] = useState<Form>();
  const [trouble, setTrouble] = useState('');
  useEffect(() => {
    let over = false;
    setForm(undefined);
    setTrouble('');
    if (template)
      ask<Form>(`schema${query({ template })}`).then(
        found => over || setForm(found),
        e => over || setTrouble(e.message)
      );
    return () => {
      over = true;
    };
  }, [template]);
  return [form, trouble];
}

/** A choice among the shipped templates and any notebook of the file browser. */
export function TemplateChoice({ kit, template, change }: { kit: Kit; template: string; change: (template: string) => void }): JSX.Element {
  const [shipped, setShipped] = useState<Template[]>([]);
  useEffect(() => void ask<Template[]>('templates').then(setShipped, () => undefined), []);
  const names = shipped.map(t => t.name);
  return (
    <div className="ftkit-bar">
      <select className="jp-mod-styled" aria-label={kit.trans.__('Template or notebook')} value={template} onChange={e => change(e.target.value)}>
        <option value="">{kit.trans.__('Choose a template…')}</option>
        {shipped.map(t => (
          <option key={t.name} value={t.name}>
            {t.name}: {t.title}
          </option>
        ))}
        {template && !names.includes(template) && <option value={template}>{template}</option>}
      </select>
      <button className="jp-mod-styled" onClick={async () => change((await kit.pickPath()) ?? template)}>
        {kit.trans.__('Other notebook…')}
      </button>
    </div>
  );
}

export function NewRun({ kit, args, keep }: { kit: Kit; args: NewArgs; keep: (args: NewArgs) => void }): JSX.Element {
  const { trans } = kit;
  const { template, given, options } = args;
  const [form, trouble] = useForm(template);
  const [wrong, setWrong] = useState<Record<string, string>>({});
  const body = { template, parameters: given, options };
  useEffect(() => {
    if (!template) return;
    const timer = window.setTimeout(() => ask<{ wrong: Record<string, string> }>('validate', body).then(found => setWrong(found.wrong), () => undefined), 250);
    return () => window.clearTimeout(timer);
  }, [template, given, options]);
  const strangers = Object.entries(wrong).filter(([name]) => form && !(name in form.schema.properties) && !(name in form.options.properties));
  const [busy, setBusy] = useState(false); // a second click starts nothing
  const stop = !form || busy || Object.keys(wrong).length > 0;
  const begin = async () => {
    setBusy(true);
    await attempt(kit, async () => kit.open({ kind: 'run', id: (await ask<{ id: string }>('runs', body)).id }));
    setBusy(false);
  };
  return (
    <div className="ftkit-view">
      <h1>{trans.__('New run')}</h1>
      <TemplateChoice kit={kit} template={template} change={template => keep({ ...args, template, given: {} })} />
      <Trouble said={trouble} />
      {form && (
        <>
          <div className="ftkit-bar ftkit-sticky">
            <button
              className="jp-mod-styled jp-mod-accept"
              disabled={stop}
              onClick={() => void begin()}
            >
              {trans.__('Run in background')}
            </button>
            <button
              className="jp-mod-styled"
              disabled={stop}
              onClick={() => attempt(kit, async () => kit.saveNotebook(form.title, await ask('notebook', body), form.folder))}
            >
              {trans.__('Open as notebook with these values')}
            </button>
            <button className="jp-mod-styled" onClick={() => kit.open({ kind: 'batch', template, grid: {}, given, jobs: '', name: '' })}>
              {trans.__('Batch…')}
            </button>
            <span className="ftkit-quiet">{Object.keys(wrong).length ? trans.__('Mend what is marked: %1', Object.keys(wrong).join(', ')) : form.estimate}</span>
          </div>
          {strangers.map(([name, said]) => (
            <div key={name} role="alert" className="ftkit-error">
              {said}{' '}
              <button className="jp-mod-styled" onClick={() => keep({ ...args, given: Object.fromEntries(Object.entries(given).filter(([k]) => k !== name)) })}>
                {trans.__('Leave %1 out', name)}
              </button>
            </div>
          ))}
          <p className="ftkit-quiet">{['', '.'].includes(form.folder) ? trans.__('Relative paths count from the folder of this server.') : trans.__('Relative paths count from the folder %1', form.folder)}</p>
          <Fields kit={kit} properties={form.schema.properties} folder={form.folder} given={given} wrong={wrong} change={given => keep({ ...args, given })} />
          <Fields kit={kit} properties={form.options.properties} folder={form.folder} given={options} wrong={wrong} change={options => keep({ ...args, options })} />
        </>
      )}
    </div>
  );
}
