/** Why the gateway could not be asked, or did not serve: in words for whoever ran the check. Nothing is said of caches then. */
export class SmokeFailure extends Error {
  override readonly name = 'SmokeFailure';
}
