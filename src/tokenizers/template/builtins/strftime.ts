import { unsupported } from '../template-error.ts';

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = [
  ...['January', 'February', 'March', 'April', 'May', 'June', 'July'],
  ...['August', 'September', 'October', 'November', 'December'],
];

/** Python's `datetime.strftime` in the C locale, local time, of the directives that templates use. */
export function strftime(pattern: string, time: Date): string {
  return pattern.replace(/%(.?)/gsu, (_, directive: string) => written(directive, time));
}

function written(directive: string, time: Date): string {
  switch (directive) {
    case '%':
      return '%';
    case 'Y':
      return String(time.getFullYear());
    case 'y':
      return two(time.getFullYear() % 100);
    case 'm':
      return two(time.getMonth() + 1);
    case 'd':
      return two(time.getDate());
    case 'H':
      return two(time.getHours());
    case 'I':
      return two(time.getHours() % 12 || 12);
    case 'M':
      return two(time.getMinutes());
    case 'S':
      return two(time.getSeconds());
    case 'p':
      return time.getHours() < 12 ? 'AM' : 'PM';
    case 'A':
      return DAYS[time.getDay()]!;
    case 'a':
      return DAYS[time.getDay()]!.slice(0, 3);
    case 'B':
      return MONTHS[time.getMonth()]!;
    case 'b':
      return MONTHS[time.getMonth()]!.slice(0, 3);
    default:
      throw unsupported('such a directive of strftime');
  }
}

function two(number: number): string {
  return String(number).padStart(2, '0');
}
