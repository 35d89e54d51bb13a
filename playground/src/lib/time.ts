// Times as people read them. All in milliseconds.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const two = (value: number) => String(Math.floor(value)).padStart(2, "0");

/** What is left: `4:07`, `23:59:12`, `6 d 23:59`. */
export function left(duration: number): string {
  const rest = Math.max(0, duration);
  if (rest >= DAY) {
    return `${Math.floor(rest / DAY)} d ${two((rest % DAY) / HOUR)}:${two((rest % HOUR) / MINUTE)}`;
  }
  if (rest >= HOUR) {
    return `${Math.floor(rest / HOUR)}:${two((rest % HOUR) / MINUTE)}:${two((rest % MINUTE) / SECOND)}`;
  }
  return `${Math.floor(rest / MINUTE)}:${two((rest % MINUTE) / SECOND)}`;
}

/** How long ago: `now`, `12 s ago`, `4 min ago`. */
export function ago(duration: number): string {
  if (duration < 2 * SECOND) {
    return "now";
  }
  if (duration < MINUTE) {
    return `${Math.floor(duration / SECOND)} s ago`;
  }
  if (duration < HOUR) {
    return `${Math.floor(duration / MINUTE)} min ago`;
  }
  if (duration < DAY) {
    return `${Math.floor(duration / HOUR)} h ago`;
  }
  return `${Math.floor(duration / DAY)} d ago`;
}

/** `14:03:07`, where the reader is. */
export function timeOfDay(instant: string): string {
  return new Date(instant).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
}

/** How much of a span is left, from 1 down to 0. */
export function share(from: string, to: string, now: number): number {
  const [start, end] = [Date.parse(from), Date.parse(to)];
  return end <= start ? 0 : Math.min(1, Math.max(0, (end - now) / (end - start)));
}
