/** Bills of materials in CycloneDX: of the npm package, and of the image that it is in. */
import { randomUUID } from 'node:crypto';
import { run } from './run.ts';

/** As far as it is read here; see cyclonedx.org. */
export interface Sbom {
  readonly bomFormat: 'CycloneDX';
  readonly specVersion: string;
  readonly serialNumber: string;
  readonly metadata: { readonly component: Component; readonly [name: string]: unknown };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

export interface Component {
  readonly 'bom-ref': string;
  readonly type: string;
  readonly name: string;
  readonly version: string;
  readonly purl?: string;
  readonly properties?: readonly Property[];
  readonly [name: string]: unknown;
}

interface Property {
  readonly name: string;
  readonly value: string;
}

/** What the package needs when it runs, by the lock file. */
export async function packageSbom(folder: string): Promise<Sbom> {
  const format = ['--sbom-format', 'cyclonedx', '--sbom-type', 'application'];
  return withoutDevelopment(
    JSON.parse(await run(folder, 'npm', 'sbom', '--package-lock-only', ...format)) as Sbom,
  );
}

/** npm's own `--omit dev` also leaves out what both the program and one of its tools need. */
export function withoutDevelopment(sbom: Sbom): Sbom {
  const components = sbom.components.filter(({ properties }) => !properties?.some(isDevelopment));
  const refs = new Set([sbom.metadata.component, ...components].map(each => each['bom-ref']));
  const dependencies = sbom.dependencies
    .filter(({ ref }) => refs.has(ref))
    .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter(each => refs.has(each)) }));
  return { ...sbom, components, dependencies };
}

const isDevelopment = ({ name, value }: Property) =>
  name === 'cdx:npm:package:development' && value === 'true';

/** The program and what is beneath it in the image: Node, and Debian's packages. */
export function imageSbom(
  ofPackage: Sbom,
  image: string,
  debian: readonly Component[],
  nodeVersion: string,
): Sbom {
  const program = ofPackage.metadata.component;
  const version = program.version;
  const node: Component = {
    ...{ 'bom-ref': `node@${nodeVersion}`, type: 'platform', name: 'node', version: nodeVersion },
    purl: `pkg:generic/node@${nodeVersion}`,
  };
  const name = image.split('/').at(-1)!;
  const container: Component = {
    ...{ 'bom-ref': `${image}:${version}`, type: 'container', name: image, version },
    purl: `pkg:oci/${name}?repository_url=${encodeURIComponent(image)}&tag=${version}`,
  };
  return {
    ...ofPackage,
    serialNumber: `urn:uuid:${randomUUID()}`,
    metadata: { ...ofPackage.metadata, component: container },
    components: [program, ...ofPackage.components, node, ...debian],
    dependencies: [
      { ref: container['bom-ref'], dependsOn: [program, node, ...debian].map(each => each['bom-ref']) },
      ...ofPackage.dependencies,
    ],
  };
}

/** Debian's packages in an image that is here. */
export async function debianPackages(folder: string, image: string): Promise<readonly Component[]> {
  const format = `${['Package', 'Version', 'Architecture'].map(field => `\${${field}}`).join('\\t')}\\n`;
  const lines = await run(
    folder,
    'docker',
    'run',
    '--rm',
    '--entrypoint',
    'dpkg-query',
    image,
    '-W',
    '-f',
    format,
  );
  return debianComponents(lines);
}

/** Of lines `package⇥version⇥architecture`. */
export function debianComponents(lines: string): readonly Component[] {
  return lines.split('\n').flatMap(line => {
    const [name, version, architecture] = line.split('\t');
    if (!name || !version || !architecture) return [];
    const purl = `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${architecture}`;
    return [{ 'bom-ref': purl, type: 'library', name, version, purl }];
  });
}

/** Of the image's Node. */
export async function nodeOf(folder: string, image: string): Promise<string> {
  const version = await run(folder, 'docker', 'run', '--rm', '--entrypoint', 'node', image, '--version');
  return version.replace(/^v/, '');
}
