/** How long what still runs after the end may take to end by itself. */
const GRACE_MS = 500;

/** The process ends with `code` by itself, as nothing is left open; or soon, if something is stuck. */
export function endSoon(code: number): void {
  process.exitCode = code;
  setTimeout(() => endNow(code), GRACE_MS).unref();
}

/**
 * Ends the process, also with a thread that is stuck in a system call: a read from a dead mount, a name server that does not answer.
 * `process.exit` waits for such threads, maybe for ever. Replacing the program ends them, and works for PID 1 of a container, too,
 * which cannot kill itself.
 */
export function endNow(code: number): never {
  if (!process.getActiveResourcesInfo().some(kind => /^(FSReq|GetAddrInfo|GetNameInfo)/.test(kind))) {
    process.exit(code);
  }
  process.emit('exit', code);
  try {
    process.execve?.(process.execPath, [process.execPath, '--eval', `process.exitCode = ${code}`], {});
  } catch {
    process.kill(process.pid, 'SIGKILL');
  }
  process.exit(code);
}
