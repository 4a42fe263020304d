/** Pods whose rates differ by less are of one kind. */
const SAME_KIND = 0.75;
/** Before anything is known, tokens per millisecond: a 70B model on four H100 does 13 (vLLM 0.8.4). Only the ratio of pods is compared until then. */
const UNKNOWN_RATE = 10;

/**
 * The rates of pods, where pods of one kind have the same one, the mean of theirs. Equal engines do not measure quite alike, and while all are
 * idle the one that looks the fastest would get everything. A pod that is not known yet is taken for one of the fastest, so that it is tried.
 *
 * @param measured tokens per millisecond, above 0; undefined: not known
 */
export function ratesByKind(measured: readonly (number | undefined)[]): Float64Array {
  const known = measured
    .map((rate, i) => ({ rate, i }))
    .filter((each): each is { rate: number; i: number } => each.rate !== undefined)
    .sort((a, b) => b.rate - a.rate);
  const rates = new Float64Array(measured.length);
  let fastest: number | undefined;
  for (let from = 0; from < known.length; ) {
    let to = from;
    let sum = 0;
    while (to < known.length && known[to]!.rate >= SAME_KIND * known[from]!.rate) sum += known[to++]!.rate;
    const mean = sum / (to - from);
    for (; from < to; from++) rates[known[from]!.i] = mean;
    fastest ??= mean;
  }
  return rates.map(rate => (rate === 0 ? (fastest ?? UNKNOWN_RATE) : rate));
}
