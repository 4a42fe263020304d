import { constants, type Http2Server, type Http2Stream, type ServerHttp2Session } from 'node:http2';

export interface IdleLimits {
  /** A session without streams is told to go away after so long. */
  readonly idleMs: number;
  /** And is closed so much later: what its peer had sent before it was told is served. */
  readonly graceMs: number;
}

interface Seen {
  streams: number;
  idleSince: number;
  toldAt: number | undefined;
}

/** "Open no new streams; all that you have opened will be served." */
const ALL_STREAMS = 2 ** 31 - 1;

/**
 * Ends sessions that are idle, in the two steps of RFC 9113, section 6.8. grpc-js takes one (`grpc.max_connection_idle_ms`): a request
 * that Envoy sends at that moment is lost. Returns the way to stop it.
 */
export function endIdleSessions(server: Http2Server, { idleMs, graceMs }: IdleLimits): () => void {
  const sessions = new Map<ServerHttp2Session, Seen>();
  server.on('session', session => {
    const seen: Seen = { streams: 0, idleSince: performance.now(), toldAt: undefined };
    sessions.set(session, seen);
    const ended = () => {
      seen.streams--;
      seen.idleSince = performance.now();
    };
    session.on('stream', (stream: Http2Stream) => {
      seen.streams++;
      stream.once('close', ended);
    });
    session.once('close', () => sessions.delete(session));
  });

  const look = () => {
    const now = performance.now();
    for (const [session, seen] of sessions) {
      if (session.closed || session.destroyed) continue;
      if (seen.toldAt !== undefined) {
        if (now - seen.toldAt >= graceMs) session.close();
      } else if (seen.streams === 0 && now - seen.idleSince >= idleMs) {
        seen.toldAt = now;
        session.goaway(constants.NGHTTP2_NO_ERROR, ALL_STREAMS);
      }
    }
  };
  const timer = setInterval(look, Math.max(1, Math.min(idleMs, graceMs) / 4)).unref();
  return () => clearInterval(timer);
}
