import type { AdminRoute } from '../admin/route.ts';
import type { Live } from './live.ts';
import { answerFile, answerPage } from './page-files.ts';

/** `/`: the page; `/console/*`: its files; `/console/events`: what it is told (server-sent events, see `messages.ts`). */
export function consoleRoutes(live: Live): readonly AdminRoute[] {
  return [
    { method: 'GET', path: '/', audience: 'operator', answer: answerPage },
    {
      method: 'GET',
      path: '/console/events',
      audience: 'operator',
      answer({ request, response, holdOpen }) {
        if (request.method === 'HEAD') return void response.end();
        holdOpen();
        live.watch(response);
      },
    },
    { method: 'GET', path: '/console/*', audience: 'operator', answer: answerFile },
  ];
}
