// What JupyterLab is told: launcher, panel, views, commands, settings. All that is known of runs is asked of the server.
import { ILayoutRestorer, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Dialog, ICommandPalette, MainAreaWidget, WidgetTracker, showDialog } from '@jupyterlab/apputils';
import { PageConfig, PathExt, URLExt } from '@jupyterlab/coreutils';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { FileDialog, IDefaultFileBrowser } from '@jupyterlab/filebrowser';
import { ILauncher } from '@jupyterlab/launcher';
import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { IFrame, ReactWidget } from '@jupyterlab/ui-components';
import React from 'react';

import { BatchView } from './batch';
import { CompareView } from './compare';
import { runIcon, templateIcon } from './icons';
import { Args, Kit, attempt } from './kit';
import { NewRun, Template } from './new';
import { Panel } from './panel';
import { RunView } from './run';
import { Values, address, ask, query } from './server';

/** A run or a comparison has one view; forms and batches have as many as are opened. */
const keyOf = (args: Args) => (args.kind === 'run' ? args.id : args.kind === 'compare' ? args.ids.join() : undefined);

class View extends ReactWidget {
  readonly key: string; // by which JupyterLab finds its place again

  constructor(
    private kit: Kit,
    public args: Args,
    private kept: (view: View) => void
  ) {
    super();
    this.key = args.key ?? keyOf(args) ?? `${args.kind}-${Date.now()}`;
    this.addClass('ftkit');
    this.title.icon = runIcon;
    this.name();
  }

  render(): JSX.Element {
    const { kit, args } = this;
    const keep = (args: Args) => {
      this.args = args;
      this.name();
      this.update();
      this.kept(this);
    };
    if (args.kind === 'new') return React.createElement(NewRun, { kit, args, keep });
    if (args.kind === 'run') return React.createElement(RunView, { kit, id: args.id });
    if (args.kind === 'compare') return React.createElement(CompareView, { kit, ids: args.ids });
    return React.createElement(BatchView, { kit, args, keep });
  }

  private name(): void {
    const { trans } = this.kit;
    const { args } = this;
    if (args.kind === 'new') this.title.label = args.template ? trans.__('New run: %1', PathExt.basename(args.template)) : trans.__('New run');
    else if (args.kind === 'run') this.title.label = args.id.replace(/^\S+?Z-/, '');
    else if (args.kind === 'compare') this.title.label = trans.__('Compare %1 runs', args.ids.length);
    else this.title.label = args.name ? trans.__('Batch %1', args.name) : trans.__('Batches');
  }
}

class PanelWidget extends ReactWidget {
  constructor(private kit: Kit) {
    super();
    this.id = 'ftkit-runs';
    this.addClass('ftkit');
    this.title.icon = runIcon;
    this.title.caption = kit.trans.__('Runs');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', kit.trans.__('Runs'));
  }

  render(): JSX.Element {
    return React.createElement(Panel, { kit: this.kit });
  }
}

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'ftkit:plugin',
  description: 'Forms, live runs and comparisons for notebooks with a parameters cell.',
  autoStart: true,
  requires: [IDocumentManager, INotebookTracker, ISettingRegistry],
  optional: [IDefaultFileBrowser, ILauncher, ICommandPalette, ILayoutRestorer, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    documents: IDocumentManager,
    notebooks: INotebookTracker,
    registry: ISettingRegistry,
    browser: IDefaultFileBrowser | null,
    launcher: ILauncher | null,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('ftkit');
    const category = trans.__('Fine-tune');
    const { commands, shell } = app;
    const { contents } = app.serviceManager;
    const tracker = new WidgetTracker<MainAreaWidget<View>>({ namespace: 'ftkit' });
    let refresh = 1;

    const open = (args: Args, activate = true): MainAreaWidget<View> | undefined => {
      if (app.name !== 'JupyterLab') {
        // Jupyter Notebook has no place for views: JupyterLab shows the notebook, with the panel beside it
        window.open(URLExt.join(PageConfig.getBaseUrl(), 'lab', ...(args.kind === 'new' && args.template.endsWith('.ipynb') ? ['tree', URLExt.encodeParts(args.template)] : [])));
        return undefined;
      }
      const same = tracker.find(w => w.content.key === (args.key ?? keyOf(args)));
      if (same) {
        shell.activateById(same.id);
        return same;
      }
      const view: View = new View(kit, args, () => void tracker.save(widget));
      const widget = new MainAreaWidget({ content: view });
      widget.id = `ftkit-view-${view.key}`;
      widget.title.closable = true;
      shell.add(widget, 'main', { activate });
      void tracker.add(widget);
      return widget;
    };

    const freeName = async (folder: string, stem: string): Promise<string> => {
      const there = new Set(((await contents.get(folder)).content as { name: string }[]).map(f => f.name));
      for (let n = 0; ; n++) {
        const name = n ? `${stem}-${n}.ipynb` : `${stem}.ipynb`;
        if (!there.has(name)) return PathExt.join(folder, name);
      }
    };

    const kit: Kit = {
      trans,
      refresh: () => refresh,
      open: args => void open(args),
      pickPath: async () => {
        const found = await FileDialog.getOpenFiles({ manager: documents, title: trans.__('Choose a file or folder'), defaultPath: browser?.model.path, translator: translator ?? undefined });
        return found.value?.[0]?.path ?? null;
      },
      openNotebook: async (path, failing) => {
        const panel = documents.openOrReveal(path) as NotebookPanel | undefined;
        if (!panel || !failing) return;
        await panel.context.ready;
        await panel.revealed;
        const wrong = panel.content.widgets.findIndex(cell => JSON.stringify(cell.model.toJSON().outputs ?? '').includes('"output_type":"error"'));
        if (wrong < 0) return;
        panel.content.activeCellIndex = wrong;
        await panel.content.scrollToItem(wrong, 'smart');
      },
      saveNotebook: async (title, content, folder) => {
        const path = await freeName(folder === '.' ? '' : folder ?? browser?.model.path ?? '', title);
        await contents.save(path, { type: 'notebook', format: 'json', content });
        documents.openOrReveal(path);
      },
      openReport: id => {
        const frame = new IFrame({ sandbox: ['allow-popups'] });
        frame.url = address(`runs/${id}/report`);
        const widget = new MainAreaWidget({ content: frame });
        widget.id = `ftkit-report-${id}`;
        widget.title.label = trans.__('Report %1', id.slice(-6));
        widget.title.closable = true;
        widget.title.icon = runIcon;
        shell.add(widget, 'main');
      }
    };

    /** The form of a notebook; one without a parameters cell can have one tagged. */
    const runNotebook = async (panel: NotebookPanel): Promise<void> => {
      if (panel.context.model.dirty) await panel.context.save();
      const path = panel.context.path;
      const cells = panel.content.widgets;
      const tags = (i: number) => (cells[i].model.getMetadata('tags') ?? []) as string[];
      if (!cells.some((_, i) => tags(i).includes('parameters'))) {
        const at = panel.content.activeCell?.model.type === 'code' ? panel.content.activeCellIndex : cells.findIndex(c => c.model.type === 'code');
        const text = at < 0 ? '' : cells[at].model.sharedModel.getSource().trim();
        const body = at < 0 ? trans.__('%1 has no code cell.', path) : trans.__('%1 has no cell tagged parameters: one `name: type = value` a line. Tag this one?', path) + `\n\n${text.slice(0, 300)}`;
        const answer = await showDialog({ title: trans.__('Which cell holds the parameters?'), body, buttons: [Dialog.cancelButton(), ...(at < 0 ? [] : [Dialog.okButton({ label: trans.__('Tag the cell') })])] });
        if (!answer.button.accept || at < 0) return;
        cells[at].model.setMetadata('tags', [...tags(at), 'parameters']);
        await panel.context.save();
      }
      await ask(`schema${query({ template: path })}`); // says what is wrong with the cell
      open({ kind: 'new', template: path, given: {}, options: {} });
    };

    commands.addCommand('ftkit:open', {
      label: trans.__('Show a run, form, comparison or batch'),
      execute: ({ activate, ...args }) => open(args as unknown as Args, activate !== false)
    });
    commands.addCommand('ftkit:new-run', {
      label: args => (args.isLauncher ? trans.__('New run') : trans.__('New Run…')),
      caption: trans.__('Choose a template and its parameters, and run it in the background'),
      icon: runIcon,
      execute: args => open({ kind: 'new', template: String(args.template ?? ''), given: (args.parameters ?? {}) as Values, options: {} })
    });
    commands.addCommand('ftkit:batches', { label: trans.__('Batches'), execute: () => open({ kind: 'batch', template: '', grid: {}, given: {}, jobs: '', name: '' }) });
    commands.addCommand('ftkit:show-runs', { label: trans.__('Show Runs'), execute: () => shell.activateById('ftkit-runs') });
    commands.addCommand('ftkit:copy-template', {
      label: args => String(args.title ?? trans.__('Copy a template')),
      caption: args => trans.__('A copy of the template %1, here', String(args.name)),
      icon: args => templateIcon(String(args.name)),
      execute: args => attempt(kit, async () => kit.saveNotebook(String(args.name), await ask(`templates/${args.name}`)))
    });
    commands.addCommand('ftkit:run-notebook', {
      label: trans.__('Run in background…'),
      caption: trans.__('Choose parameters and run this notebook in the background'),
      icon: runIcon,
      isEnabled: () => notebooks.currentWidget !== null,
      execute: () => attempt(kit, async () => notebooks.currentWidget && runNotebook(notebooks.currentWidget))
    });
    commands.addCommand('ftkit:run-file', {
      label: trans.__('Run in background…'),
      icon: runIcon,
      execute: () =>
        attempt(kit, async () => {
          const path = browser?.selectedItems().next().value?.path;
          if (!path) return;
          const panel = documents.findWidget(path) as NotebookPanel | undefined;
          const answered = panel ? false : await ask(`schema${query({ template: path })}`).then(() => true, () => false);
          if (answered) return open({ kind: 'new', template: path, given: {}, options: {} });
          const shown = documents.openOrReveal(path) as NotebookPanel;
          await shown.context.ready;
          await shown.revealed;
          await runNotebook(shown);
        })
    });
    for (const command of ['ftkit:new-run', 'ftkit:batches', 'ftkit:show-runs', 'ftkit:run-notebook']) palette?.addItem({ command, category });

    launcher?.add({ command: 'ftkit:new-run', args: { isLauncher: true }, category, rank: 0 });
    void ask<Template[]>('templates').then(
      found =>
        found.forEach(({ name, title }, i) => {
          const args = { name, title };
          launcher?.add({ command: 'ftkit:copy-template', args, category, rank: i + 1 });
          palette?.addItem({ command: 'ftkit:copy-template', args, category });
        }),
      e => console.warn(`ftkit: the server has no routes under /ftkit (${e.message})`)
    );

    const panel = new PanelWidget(kit);
    shell.add(panel, 'left', { rank: 350, type: 'Runs' });
    if (restorer) {
      restorer.add(panel, panel.id);
      void restorer.restore(tracker, { command: 'ftkit:open', args: w => ({ ...w.content.args, key: w.content.key, activate: false }) as any, name: w => w.content.key });
    }

    void registry.load(plugin.id).then(settings => {
      let sent = '';
      const take = () => {
        refresh = settings.composite.refresh as number;
        const { jobs, runs } = settings.composite;
        const body = { jobs, runs };
        if (JSON.stringify(body) !== sent && (sent || jobs !== null || runs)) void attempt(kit, () => ask('settings', body));
        sent = JSON.stringify(body);
      };
      settings.changed.connect(take);
      take();
    });
  }
};

export default plugin;
