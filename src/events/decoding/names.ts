/** Texts that are expected, to be compared byte by byte: what is looked for is found by its length first. */
export class Names<Name extends string> {
  readonly byLength: readonly (readonly { readonly name: Name; readonly bytes: Uint8Array }[] | undefined)[];

  constructor(names: readonly Name[]) {
    const byLength: { name: Name; bytes: Uint8Array }[][] = [];
    for (const name of names) {
      const bytes = Buffer.from(name);
      byLength[bytes.length] = [...(byLength[bytes.length] ?? []), { name, bytes }];
    }
    this.byLength = byLength;
  }
}
