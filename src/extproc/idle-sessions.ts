import type { Http2Server, Http2Stream, ServerHttp2Session } from 'node:http2';

interface Seen {
  streams: number;
  idleSince: number;
}

/**
 * Ends sessions that have been without streams for `idleMs`, as `grpc.max_connection_idle_ms` does, but by the monotonic clock.
 * Node cannot announce the end before it takes place (RFC 9113, section 6.8): a stream that the peer opens at that very moment is
 * refused, which Envoy repeats on another connection where its `retry_policy` has `refused-stream`. Returns the way to stop it.
 */
export function endIdleSessions(server: Http2Server, idleMs: number): () => void {
  const sessions = new Map<ServerHttp2Session, Seen>();
  server.on('session', session => {
    const seen: Seen = { streams: 0, idleSince: performance.now() };
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
    for (const [session, { streams, idleSince }] of sessions) {
      if (streams === 0 && now - idleSince >= idleMs && !session.closed && !session.destroyed)
        session.close();
    }
  };
  const timer = setInterval(look, idleMs / 4).unref();
  return () => clearInterval(timer);
}
