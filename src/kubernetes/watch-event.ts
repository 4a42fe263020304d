/**
 * What a watch tells, one JSON object a line on the wire, as in the API concepts of Kubernetes ("Efficient detection of changes").
 * The objects are untrusted input: whoever reads them checks them.
 */
export type WatchEvent =
  /** The API server has accepted the watch; not on the wire. */
  | { readonly type: 'OPENED' }
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: unknown }
  /** Of the object there is only `metadata.resourceVersion`: up to there everything has been told. */
  | { readonly type: 'BOOKMARK'; readonly object: unknown }
  /** The object is a `Status`; the API server ends the watch after it. */
  | { readonly type: 'ERROR'; readonly object: unknown };
