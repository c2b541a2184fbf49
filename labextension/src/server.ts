// What the server's routes under /ftkit give and take. No parameter's name stands here: forms are made of schemas.
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

export type Values = Record<string, unknown>;

export interface Figure {
  value: number;
  low?: number;
  high?: number;
}

export interface RunEvent {
  time: number;
  stage: string;
  step?: number;
  of?: number;
  epoch?: number;
  [name: string]: unknown;
}

export interface Row {
  id: string;
  template: string | null;
  status: string;
  created: number | null;
  seconds: number | null;
  metric: string | null;
  value: Figure | null;
  parameters: Values;
  error: { message?: string } | string | null;
  progress?: RunEvent | null;
}

export interface Run extends Row {
  chosen: Values;
  cells: { id: string; source: string; status: string; seconds: number | null }[];
  figures: Record<string, Figure | number>;
  stages: Record<string, number>;
  facts: Values;
  has: Record<string, boolean>;
  paths: Record<string, string>;
  source: string | null;
  needs: string[];
}

export interface Property {
  type?: string | string[];
  enum?: unknown[];
  format?: string;
  group?: string;
  allowed?: string;
  default: unknown;
  description?: string;
}

export interface Form {
  template: string;
  title: string;
  schema: { properties: Record<string, Property> };
  options: { properties: Record<string, Property> };
  folder: string;
  estimate: string;
}

export interface Comparison {
  runs: { id: string; status: string; seconds: number | null }[];
  parameters: Record<string, unknown[]>;
  figures: Record<string, (Figure | number | null)[]>;
  differences: (Figure & { rows: number } | null)[];
}

/** The address of a route, which a browser can also open by itself. */
export const address = (path: string) => URLExt.join(ServerConnection.makeSettings().baseUrl, 'ftkit', path);

/** Why a route refused; `confirm` names what a person may add to have it all the same. */
export class Refused extends Error {
  constructor(
    message: string,
    readonly confirm?: string
  ) {
    super(message);
  }
}

/** What a route answers; wrong use throws the server's sentence. */
export async function ask<T>(path: string, body?: object, method = body ? 'POST' : 'GET'): Promise<T> {
  const init = { method, ...(body ? { body: JSON.stringify(body) } : {}) };
  const answer = await ServerConnection.makeRequest(address(path), init, ServerConnection.makeSettings());
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(found.message ?? answer.statusText, found.confirm);
  return found;
}

export const query = (values: Record<string, string | number>) =>
  '?' + Object.entries(values).map(([k, v]) => `${k}=${encodeURIComponent(v)}`).join('&');

/** A path below the server's folder, as it is written from a folder below it. */
export function pathFrom(folder: string, path: string): string {
  const [from, to] = [folder, path].map(p => p.split('/').filter(part => part && part !== '.'));
  let same = 0;
  while (same < from.length && same < to.length && from[same] === to[same]) same++;
  return [...from.slice(same).map(() => '..'), ...to.slice(same)].join('/') || '.';
}

export const isLive = (status: string) => status === 'running' || status === 'queued';

export function figureText(figure: Figure | number | null | undefined): string {
  if (figure === null || figure === undefined) return '';
  const short = (x: number) => (Number.isInteger(x) ? String(x) : Math.abs(x) < 1e-3 ? x.toExponential(2) : x.toPrecision(4).replace(/0+$/, ''));
  if (typeof figure === 'number') return short(figure);
  return short(figure.value) + (figure.low === undefined || figure.high === undefined ? '' : ` (${short(figure.low)} to ${short(figure.high)})`);
}

export function timeText(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return '';
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${Math.round(seconds % 60)} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export const errorText = (error: Row['error']) => (typeof error === 'string' ? error : error?.message ?? '');

export const valueText = (value: unknown) => (value === null || value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value));
