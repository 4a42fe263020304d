const PART = /^[A-Za-z0-9_]([A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?$/;

/**
 * Whether the hub could have a model of this name: `organization/name`, by the rules of its own clients (`validate_repo_id` of
 * huggingface_hub). Names without an organization, which a few old models have, are mostly what a model is served as: these are
 * nobody's business outside.
 */
export function isHubName(model: string): boolean {
  const parts = model.split('/');
  return (
    parts.length === 2 &&
    parts.every(part => PART.test(part)) &&
    !model.includes('--') &&
    !model.includes('..') &&
    !model.endsWith('.git')
  );
}
