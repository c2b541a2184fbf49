// A form out of a schema; the server says what is wrong with a value.
import React, { useEffect, useId, useState } from 'react';

import { Kit } from './kit';
import { Property, Values, pathFrom, valueText } from './server';

const kinds = (property: Property) => [property.type ?? []].flat();

/** What is sent for the text in a field: the server reads it as the command line would. */
function meant(property: Property, text: string): unknown {
  if (text === '' && kinds(property).includes('null')) return null;
  return kinds(property).includes('boolean') ? text === 'true' : text;
}

/** What is wrong, for eyes and for screen readers. */
export const Trouble = ({ said }: { said?: string }) =>
  said ? (
    <div role="alert" className="ftkit-error">
      {said}
    </div>
  ) : null;

/** What a parameter is for and what it takes. */
export const Help = ({ id, property, wrong }: { id?: string; property: Property; wrong?: string }) => (
  <div id={id} className="ftkit-help">
    <Trouble said={wrong} />
    {property.description} <span className="ftkit-quiet">{property.allowed}</span>
  </div>
);

interface FieldProps {
  kit: Kit;
  name: string;
  property: Property;
  folder: string; // that paths count from
  given: unknown; // undefined: the default
  wrong?: string;
  change: (value: unknown) => void; // undefined: back to the default
}

function Control({ id, about, name, property, given, wrong, change }: FieldProps & { id: string; about: string }): JSX.Element {
  const value = given === undefined ? property.default : given;
  const common = { id, 'aria-describedby': about, 'aria-invalid': wrong !== undefined, title: property.allowed };
  if (property.enum) {
    const texts = property.enum.map(v => JSON.stringify(v));
    const current = texts.indexOf(JSON.stringify(value));
    return (
      <select {...common} className="jp-mod-styled" value={current} onChange={e => change(property.enum![Number(e.target.value)])}>
        {current < 0 && <option value={-1}>{valueText(value)}</option>}
        {property.enum.map((v, i) => (
          <option key={i} value={i}>
            {v === null ? '–' : valueText(v)}
          </option>
        ))}
      </select>
    );
  }
  if (property.type === 'boolean') return <input {...common} type="checkbox" checked={value === true} onChange={e => change(e.target.checked)} />;
  const text = valueText(value);
  if (typeof value === 'string' && /\n/.test(text + valueText(property.default)))
    return <textarea {...common} name={name} className="jp-mod-styled ftkit-wide" rows={Math.min(8, text.split('\n').length + 1)} spellCheck={false} value={text} onChange={e => change(e.target.value)} />;
  const wide = kinds(property).some(k => k === 'string' || k === 'object' || k === 'array');
  return (
    <input
      {...common}
      type="text"
      name={name}
      className={`jp-mod-styled ${wide ? 'ftkit-wide' : ''}`}
      inputMode={wide ? 'text' : 'decimal'}
      spellCheck={false}
      placeholder={kinds(property).includes('null') ? '–' : ''}
      value={text}
      onChange={e => change(meant(property, e.target.value))}
    />
  );
}

function Field(props: FieldProps): JSX.Element {
  const { kit, name, property, folder, given, wrong, change } = props;
  const id = useId();
  return (
    <div className={`ftkit-field ${wrong ? 'ftkit-wrong' : ''}`} data-parameter={name}>
      <label htmlFor={id}>{name}</label>
      <span className="ftkit-control">
        <Control {...props} id={id} about={`${id}about`} />
        {property.format === 'path' && (
          <button
            className="jp-mod-styled"
            aria-label={kit.trans.__('Choose a file or folder for %1', name)}
            onClick={async () => {
              const path = await kit.pickPath();
              if (path !== null) change(pathFrom(folder, path));
            }}
          >
            {kit.trans.__('Browse…')}
          </button>
        )}
        {given !== undefined && (
          <button className="ftkit-plain" aria-label={kit.trans.__('Reset %1 to %2', name, valueText(property.default) || '–')} title={kit.trans.__('Reset')} onClick={() => change(undefined)}>
            ↺
          </button>
        )}
      </span>
      <Help id={`${id}about`} property={property} wrong={wrong} />
    </div>
  );
}

interface FieldsProps {
  kit: Kit;
  properties: Record<string, Property>;
  folder: string; // that paths count from
  given: Values;
  wrong: Record<string, string>;
  change: (given: Values) => void;
}

/** A heading with its fields; what must be seen opens it, and only a person closes it. */
function Group({ first, must, title, told, children }: { first: boolean; must: boolean; title: string; told: string; children: React.ReactNode }): JSX.Element {
  const [open, setOpen] = useState(first);
  useEffect(() => {
    if (must) setOpen(true);
  }, [must]);
  return (
    <details open={open} onToggle={e => setOpen(e.currentTarget.open)}>
      <summary>
        {title} <span className="ftkit-quiet">({told})</span>
      </summary>
      {children}
    </details>
  );
}

/** Fields in the groups of the parameters cell; the first is open, and any that holds something wrong. */
export function Fields({ kit, properties, folder, given, wrong, change }: FieldsProps): JSX.Element {
  const [words, setWords] = useState('');
  const found = Object.entries(properties).filter(([name, p]) => `${name} ${p.description}`.toLowerCase().includes(words.toLowerCase()));
  const groups = new Map<string, [string, Property][]>();
  for (const entry of found) groups.set(entry[1].group ?? '', [...(groups.get(entry[1].group ?? '') ?? []), entry]);
  const set = (name: string, value: unknown) => {
    const { [name]: _, ...others } = given;
    change(value === undefined ? others : { ...others, [name]: value });
  };
  const told = (entries: [string, Property][]) => {
    const changed = entries.filter(([name]) => name in given).length;
    return changed ? kit.trans.__('%1, %2 changed', entries.length, changed) : String(entries.length);
  };
  return (
    <div className="ftkit-fields">
      {Object.keys(properties).length > 12 && (
        <input type="search" className="jp-mod-styled ftkit-wide" placeholder={kit.trans.__('Find a parameter')} aria-label={kit.trans.__('Find a parameter')} value={words} onChange={e => setWords(e.target.value)} />
      )}
      {[...groups].map(([group, entries], i) => {
        const fields = entries.map(([name, property]) => (
          <Field key={name} kit={kit} name={name} property={property} folder={folder} given={given[name]} wrong={wrong[name]} change={value => set(name, value)} />
        ));
        if (groups.size === 1 && !group) return fields;
        return (
          <Group key={group} first={i === 0} must={words !== '' || entries.some(([name]) => name in wrong)} title={group || kit.trans.__('Parameters')} told={told(entries)}>
            {fields}
          </Group>
        );
      })}
    </div>
  );
}
