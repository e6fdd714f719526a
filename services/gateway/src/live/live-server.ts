import type { AuthenticatedSubject, LiveMessage } from '@rahat/contracts';
import type { Namespace, Server, Socket } from 'socket.io';

/** What clients send; each is answered. */
export interface FromClient {
  follow: (request: unknown, answer: unknown) => void;
  unfollow: (request: unknown, answer: unknown) => void;
}

export interface ToClient {
  event: (event: LiveMessage) => void;
}

/** What is known of a socket. */
export interface SocketData {
  subject: AuthenticatedSubject;
  credential: string;
  address: string;
  /** Rooms that it is catching up with. */
  joining: Set<string>;
}

type Nothing = Record<string, never>;
export type LiveServer = Server<FromClient, ToClient, Nothing, SocketData>;
export type LiveNamespace = Namespace<FromClient, ToClient, Nothing, SocketData>;
export type LiveSocket = Socket<FromClient, ToClient, Nothing, SocketData>;

/** Messages that wait until a socket's connection takes them; those of a broadcast are shared by all. */
export function waitingFor(socket: LiveSocket): number {
  return (socket.conn as unknown as { writeBuffer: unknown[] }).writeBuffer.length;
}

/** At once: who does not read would not read a farewell either. */
export function cutOff(connection: LiveSocket['conn']): void {
  connection.close(true);
  (connection.transport as unknown as { socket?: { terminate(): void } }).socket?.terminate();
}
