/** Numbers as values of options, within bounds. */
import { InvalidArgumentError } from 'commander';

/** Several, separated by commas. */
export function list(item: (text: string) => number): (text: string) => readonly number[] {
  return text => text.split(',').map(each => item(each.trim()));
}

export function whole(least: number, most: number): (text: string) => number {
  return text => {
    const value = Number(text);
    if (text === '' || !Number.isInteger(value) || value < least || value > most) {
      throw new InvalidArgumentError(`must be a whole number from ${least} to ${most}.`);
    }
    return value;
  };
}

export function decimal(least: number, most: number): (text: string) => number {
  return text => {
    const value = Number(text);
    if (text === '' || !(value >= least && value <= most)) {
      throw new InvalidArgumentError(`must be a number from ${least} to ${most}.`);
    }
    return value;
  };
}

/** A whole number that may be written 512k or 2M. */
export function tokens(least: number, most: number): (text: string) => number {
  return text => {
    const match = /^(\d+(?:\.\d+)?)([kM]?)$/.exec(text);
    const unit = match?.[2] === 'M' ? 1e6 : match?.[2] === 'k' ? 1e3 : 1;
    return whole(least, most)(match === null ? '' : String(Number(match[1]) * unit));
  };
}
