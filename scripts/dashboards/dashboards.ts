/** deploy/grafana: every dashboard, as text. */
import { fileURLToPath } from 'node:url';
import { type Board, dashboardOf } from './board.ts';
import { EVENTS } from './events.ts';
import { OVERVIEW } from './overview.ts';
import { PODS } from './pods.ts';
import { PROCESS } from './process.ts';
import { ROUTING } from './routing.ts';
import { TOKENIZER } from './tokenizer.ts';

const BOARDS: readonly Board[] = [OVERVIEW, ROUTING, EVENTS, TOKENIZER, PODS, PROCESS];

/** Path → text. */
export function dashboardFiles(): Readonly<Record<string, string>> {
  return Object.fromEntries(
    BOARDS.map(board => [pathOf(board), `${JSON.stringify(dashboardOf(board), inSight, 2)}\n`]),
  );
}

/** The SDK puts links and annotations into a menu of their own unless this is left out. */
const inSight = (_: string, value: unknown) => (value === 'inControlsMenu' ? undefined : value);

const pathOf = ({ uid }: Board) =>
  fileURLToPath(new URL(`../../deploy/grafana/${uid}.json`, import.meta.url));
