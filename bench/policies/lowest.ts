/** The place of the lowest cost; among equals any, with equal chance. */
export function lowest(costs: readonly number[], random: () => number): number {
  const least = Math.min(...costs);
  const places = costs.flatMap((cost, place) => (cost === least ? [place] : []));
  return places[Math.floor(random() * places.length)]!;
}
