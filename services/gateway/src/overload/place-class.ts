import { isEventStream } from '../front-door/ending-streams.js';
import { doorOf, pathOf } from '../front-door/routes.js';
import { classOf, type EndpointClass } from '../limits/endpoint-class.js';

/** Each has places of its own, so that none of them takes the others'. */
export type PlaceClass =
  | Exclude<EndpointClass, 'entrance'>
  /** What somebody does in need, when everything else is slow already. */
  | 'urgent';

const CANCELS_RUN = /^\/api\/v2\/runs\/[^/]+\/cancel$/;
const ENDS_SESSION = /^\/api\/v2\/(me\/)?sessions(\/|$)/;

/**
 * Undefined for what takes no place: our own files, what services ask each other, log-ins, which have a line of their own, and event streams,
 * which would never give theirs back.
 */
export function placeClassOf(method: string, url: string): PlaceClass | undefined {
  const path = pathOf(url);
  if (!path.startsWith('/api/v2/') || isEventStream(method, url)) return undefined;
  const door = doorOf(method, url);
  if (door === 'entrance') return undefined;
  if (door === 'waiting-room' || CANCELS_RUN.test(path) || (method === 'DELETE' && ENDS_SESSION.test(path))) return 'urgent';
  return classOf(method, url);
}
