/** Whether a ZeroMQ socket listens at an address: who does greets whoever connects, before anything is asked. */
import { connect } from 'node:net';

export type GreetingAnswer =
  | { readonly kind: 'greeted' }
  /** `reason`, in words. */
  | { readonly kind: 'silent'; readonly reason: string };

/** ZMTP's signature begins with it, in every version. */
const SIGNATURE = 0xff;

/** Never rejects. The connection is closed as soon as the greeting begins. @param host an address, IPv6 without brackets */
export function askForGreeting(host: string, port: number, timeoutMs: number): Promise<GreetingAnswer> {
  return new Promise(resolve => {
    const socket = connect({ host, port, timeout: timeoutMs });
    const settle = (answer: GreetingAnswer) => {
      socket.destroy();
      resolve(answer);
    };
    const silent = (reason: string) => settle({ kind: 'silent', reason });
    socket.once('data', (bytes: Buffer) =>
      bytes[0] === SIGNATURE ? settle({ kind: 'greeted' }) : silent('what listens there is not ZeroMQ'),
    );
    socket.once('timeout', () => {
      const seconds = timeoutMs / 1000;
      silent(
        socket.connecting
          ? `no connection within ${seconds} s`
          : `connected, but no ZeroMQ greeting within ${seconds} s`,
      );
    });
    socket.once('error', (error: NodeJS.ErrnoException) =>
      silent(error.code === 'ECONNREFUSED' ? 'nothing listens there' : (error.code ?? error.message)),
    );
    socket.once('close', () => silent('the connection was closed'));
  });
}
