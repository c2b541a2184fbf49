// What views need of JupyterLab, and how they keep up with the server.
import { Dialog, showDialog } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import { RefObject, useEffect, useRef } from 'react';

import { Refused, Values, ask } from './server';

/** Which view, and of what; kept by JupyterLab, so that a reload shows the same. */
export type Args = { key?: string } & (
  | { kind: 'new'; template: string; given: Values; options: Values }
  | { kind: 'run'; id: string }
  | { kind: 'compare'; ids: string[] }
  | { kind: 'batch'; template: string; grid: Record<string, string>; given: Values; jobs: string; name: string }
);

export interface Kit {
  trans: TranslationBundle;
  refresh: () => number; // seconds
  open: (args: Args) => void;
  pickPath: () => Promise<string | null>; // below the server's folder
  openNotebook: (path: string, failing: boolean) => Promise<void>;
  saveNotebook: (title: string, content: object, folder?: string) => Promise<void>; // under a free name; default: where the file browser is
  openReport: (id: string) => void;
}

/** Do the work at once and then again and again, while the place can be seen. */
export function usePoll(kit: Kit, work: () => Promise<void>, about: unknown[] = []): RefObject<HTMLDivElement> {
  const place = useRef<HTMLDivElement>(null);
  const latest = useRef(work);
  latest.current = work;
  useEffect(() => {
    let over = false;
    let timer = 0;
    const turn = async () => {
      if (place.current?.offsetParent && !document.hidden) await latest.current().catch(() => undefined);
      if (!over) timer = window.setTimeout(turn, kit.refresh() * 1000);
    };
    timer = window.setTimeout(turn, 0);
    return () => {
      over = true;
      window.clearTimeout(timer);
    };
  }, about);
  return place;
}

/** Do what a button asks for; what goes wrong is shown. */
export async function attempt(kit: Kit, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (e) {
    await showDialog({ title: kit.trans.__('This cannot be done'), body: String((e as Error).message ?? e), buttons: [Dialog.okButton()] });
  }
}

/** Ask a route; where it wants a person's word first, ask for that. */
export async function askWithWord(kit: Kit, path: string, body: object): Promise<void> {
  try {
    await ask(path, body);
  } catch (e) {
    if (!(e instanceof Refused) || !e.confirm) throw e;
    const buttons = [Dialog.cancelButton(), Dialog.warnButton({ label: kit.trans.__('Execute it') })];
    const answer = await showDialog({ title: kit.trans.__('A run that is not yours'), body: e.message, buttons, defaultButton: 0 });
    if (answer.button.accept) await ask(path, { ...body, [e.confirm]: true });
  }
}
