// Line icons in the colours of the theme.
import { LabIcon } from '@jupyterlab/ui-components';

const drawn = (name: string, inside: string) =>
  new LabIcon({
    name: `ftkit:${name}`,
    svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="24" viewBox="0 0 24 24"><g style="fill: none; stroke: var(--jp-inverse-layout-color3, #616161)" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round">${inside}</g></svg>`
  });

export const runIcon = drawn('run', '<path d="M3 20h18M4 15l5-5 4 3 7-8"/><circle cx="20" cy="5" r="1.6"/>');

const kinds: Record<string, LabIcon> = {
  image: drawn('image', '<rect x="3" y="4" width="18" height="16" rx="2"/><circle cx="9" cy="10" r="1.8"/><path d="M4 19l6-5 3 2 4-4 4 4"/>'),
  text: drawn('text', '<path d="M5 5h14M12 5v14M8 19h8M5 5v3M19 5v3"/>'),
  speech: drawn('speech', '<path d="M4 10v4M8 7v10M12 3v18M16 7v10M20 10v4"/>'),
  tabular: drawn('tabular', '<rect x="3" y="4" width="18" height="16" rx="2"/><path d="M3 9h18M3 14.500h18M9 4v16"/>')
};

/** The icon of a template; one that is not known here has that of runs. */
export const templateIcon = (name: string) => kinds[name] ?? runIcon;
