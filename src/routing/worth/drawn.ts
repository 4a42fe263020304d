/** Whether this one is of the share that is drawn, each at random and for itself. */
export type Draw = () => boolean;

/**
 * @param percent from 0 to 100, fractions allowed; 0 draws nothing, and asks for no random number
 * @param random uniform in [0, 1)
 */
export function drawnOf(percent: number, random: () => number): Draw {
  return percent === 0 ? () => false : () => 100 * random() < percent;
}
