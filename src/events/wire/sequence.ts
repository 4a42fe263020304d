/** A batch's number on the wire, 8 bytes big-endian. undefined: not 8 bytes, or more than a count of batches can be. */
export function readSequence(frame: Uint8Array | undefined): number | undefined {
  if (frame?.length !== 8) return undefined;
  const view = new DataView(frame.buffer, frame.byteOffset, 8);
  const sequence = view.getUint32(0) * 0x1_0000_0000 + view.getUint32(4);
  return Number.isSafeInteger(sequence) ? sequence : undefined;
}

export function sequenceFrame(sequence: number): Buffer {
  const frame = Buffer.alloc(8);
  frame.writeBigUInt64BE(BigInt(sequence));
  return frame;
}
