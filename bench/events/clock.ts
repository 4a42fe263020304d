/** Seconds on a clock that all processes of this machine share, and that nobody sets. */
export function secondsNow(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds + nanoseconds / 1e9;
}

/** Seconds that this process has computed so far, all its threads together. */
export function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
