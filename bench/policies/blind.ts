/** What looks at no prompt, as every load balancer has it: the router's own strategies of these names. */
import { routerPolicy } from '../../src/simulation/router-policies.ts';

export const roundRobin = routerPolicy('round-robin');
export const random = routerPolicy('random');
export const leastRequest = routerPolicy('least-request');
