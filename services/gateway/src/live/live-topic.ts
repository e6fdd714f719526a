import type { AuthenticatedSubject, LiveMessage } from '@rahat/contracts';

/** All of an organization's events, or one of its runs; as far as who follows reaches. */
export interface LiveTopic {
  organization: string;
  /** In order, so that all who are limited alike share a feed; null is the whole organization. */
  serverGroups: readonly string[] | null;
  run?: string;
}

export function topicOf(
  { organization, serverGroups }: Pick<AuthenticatedSubject, 'organization' | 'serverGroups'>,
  run?: string,
): LiveTopic {
  return { organization, serverGroups: serverGroups && [...new Set(serverGroups)].sort(), run };
}

export function roomOf({ organization, serverGroups, run }: LiveTopic): string {
  return JSON.stringify([organization, serverGroups, run ?? null]);
}

/** Whether one who stands at `position` has heard the event. What has no place, or tells a whole state, is never heard too often. */
export function wasHeard(event: Pick<LiveMessage, 'id' | 'type'>, topic: LiveTopic, position: string): boolean {
  if (event.id === undefined || (topic.run !== undefined && event.type !== 'log')) return false;
  return !isAfter(event.id, position);
}

/** Places are numbers, or time-transaction-number, where the time is only that of telling. */
export function isAfter(one: string, other: string): boolean {
  const [here, there] = [placeOf(one), placeOf(other)];
  for (const [index, part] of here.entries()) if (part !== there[index]) return part > (there[index] ?? -1n);
  return false;
}

function placeOf(position: string): bigint[] {
  const parts = position.split('-');
  return parts.slice(parts.length === 3 ? 1 : 0).map(BigInt);
}
