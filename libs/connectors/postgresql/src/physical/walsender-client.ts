import type net from 'node:net';
import { type PostgresqlConnection, RahatError } from '@rahat/contracts';
import { loginPassword } from '../login-password.js';
import { Authentication } from './protocol/authentication.js';
import { cancelled, openSocket } from './protocol/connection.js';
import {
  decodeNotice,
  decodeRow,
  encodeMessage,
  encodeStartup,
  type Joined,
  type Message,
  MessageReader,
  readText,
  type Row,
  type ServerNotice,
} from './protocol/messages.js';
import { serverError } from './protocol/server-errors.js';

/** What a command answers, in the order of its coming. `copyStart` opens a copy, whose bytes follow. */
export type CommandEvent =
  | { type: 'row'; row: Row }
  | { type: 'result' }
  | { type: 'copyStart' }
  /** `continued`: a further piece of the message before. */
  | { type: 'copyData'; data: Buffer; continued: boolean }
  | { type: 'copyEnd' };

/** Longest silence of a server that was asked something: a base backup waits for a checkpoint first. */
const SILENCE_LIMIT_MS = 30 * 60_000;

const NOTICES_KEPT = 50;

/** A physical replication connection (`replication=true`): simple queries and replication commands, one at a time. */
export class WalsenderClient implements AsyncDisposable {
  readonly notices: ServerNotice[] = [];
  private readonly parameters = new Map<string, string>();
  private readonly reader: MessageReader;
  private waiting = false;
  /** Of the server's process that serves this connection, as pg_stat_replication tells it. */
  processId = 0;

  private constructor(
    private readonly connection: PostgresqlConnection,
    private readonly socket: net.Socket,
    bytes: AsyncIterator<Buffer>,
    private readonly signal: AbortSignal,
  ) {
    this.reader = new MessageReader(bytes);
    socket.on('error', () => undefined); // Told by the reader.
    // A silence while we do not read is ours: back-pressure.
    socket.setTimeout(SILENCE_LIMIT_MS, () => this.waiting && socket.destroy(new Error('the server fell silent')));
    signal.addEventListener('abort', this.abort, { once: true });
  }

  static async connect(connection: PostgresqlConnection, applicationName: string, signal: AbortSignal): Promise<WalsenderClient> {
    const { socket, bytes, encrypted } = await openSocket(connection, signal);
    const client = new WalsenderClient(connection, socket, bytes, signal);
    try {
      await client.logIn(encrypted, applicationName);
      return client;
    } catch (error) {
      await client[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** e.g. `15.18`. */
  get serverVersion(): string {
    return /^[\w.]+/.exec(this.parameters.get('server_version') ?? '')?.[0] ?? '';
  }

  get serverMajor(): number {
    return parseInt(this.serverVersion, 10);
  }

  async query(command: string): Promise<Row[]> {
    const rows: Row[] = [];
    for await (const event of this.command(command)) if (event.type === 'row') rows.push(event.row);
    return rows;
  }

  /** A setting's value as the server shows it. */
  async show(setting: string): Promise<string> {
    return (await this.query(`SHOW ${setting}`))[0]?.[0] ?? '';
  }

  async identifySystem(): Promise<{ systemIdentifier: string; timeline: number; position: string }> {
    const [row] = await this.query('IDENTIFY_SYSTEM');
    if (!row?.[0] || !row[1] || !row[2]) throw new RahatError('source_unsupported', 'The server did not tell its identity');
    return { systemIdentifier: row[0], timeline: Number(row[1]), position: row[2] };
  }

  /**
   * Ends when the command ended well; an error of the server is thrown, also one that comes in the middle of a copy. Copied data is
   * lent until the next event is asked for; `joined`: which messages of it come as one.
   */
  async *command(text: string, joined?: Joined): AsyncGenerator<CommandEvent> {
    this.socket.write(encodeMessage('Q', text, '\0'));
    let failure: RahatError | undefined;
    for (;;) {
      const message = await this.next(joined);
      if (message.type === 'Z') break;
      if (message.type === 'E') failure ??= serverError(decodeNotice(message.body), this.connection);
      else if (message.type === 'T') yield { type: 'result' };
      else if (message.type === 'D') yield { type: 'row', row: decodeRow(message.body) };
      else if (message.type === 'H' || message.type === 'W') yield { type: 'copyStart' };
      else if (message.type === 'd') yield { type: 'copyData', data: message.body, continued: message.continued };
      else if (message.type === 'c') yield { type: 'copyEnd' };
    }
    if (failure) throw failure;
  }

  /** A command that takes a copy in (`UPLOAD_MANIFEST`). What the server says against it is thrown, and the connection may be used on. */
  async upload(command: string, pieces: Iterable<Buffer>): Promise<void> {
    this.socket.write(encodeMessage('Q', command, '\0'));
    let failure: RahatError | undefined;
    for (;;) {
      const message = await this.next();
      if (message.type === 'Z') break;
      if (message.type === 'E') failure ??= serverError(decodeNotice(message.body), this.connection);
      // What is sent after an error is read and dropped by the server.
      if (message.type !== 'G') continue;
      for (const piece of pieces) await this.written(encodeMessage('d', piece));
      await this.written(encodeMessage('c'));
    }
    if (failure) throw failure;
  }

  private async written(bytes: Buffer): Promise<void> {
    this.waiting = true;
    try {
      await new Promise<void>((resolve, reject) => this.socket.write(bytes, (error) => (error ? reject(error) : resolve())));
    } catch (error) {
      throw this.signal.aborted ? cancelled(this.signal) : this.lost(error);
    } finally {
      this.waiting = false;
    }
  }

  /** While the server streams to us (CopyBoth): acknowledgements and the like. */
  sendCopyData(data: Buffer): void {
    this.socket.write(encodeMessage('d', data));
  }

  /** Asks the server to end a streaming copy; its own end follows in the command's events. */
  endCopy(): void {
    this.socket.write(encodeMessage('c'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal.removeEventListener('abort', this.abort);
    if (this.socket.writable) this.socket.write(encodeMessage('X'));
    // What is unread would hold the socket open; a server in mid-backup learns of our end by the reset.
    this.socket.destroy();
  }

  private readonly abort = () => {
    this.socket.destroy(cancelled(this.signal));
  };

  private async logIn(encrypted: boolean, applicationName: string): Promise<void> {
    const { user } = this.connection;
    const password = await loginPassword(this.connection, this.signal);
    const authentication = new Authentication({ user, password, encrypted });
    this.socket.write(encodeStartup({ user, replication: 'true', application_name: applicationName, client_encoding: 'UTF8' }));
    for (;;) {
      const message = await this.next();
      if (message.type === 'Z') return;
      if (message.type === 'E') throw serverError(decodeNotice(message.body), this.connection);
      if (message.type === 'K') this.processId = message.body.readInt32BE(0);
      if (message.type !== 'R') continue;
      const answer = await authentication.answer(message.body);
      if (answer) this.socket.write(answer);
    }
  }

  /** The next message that is an answer; notices and parameters are kept aside. */
  private async next(joined?: Joined): Promise<Message> {
    for (;;) {
      const message = await this.receive(joined);
      if (message.type === 'N') {
        if (this.notices.length < NOTICES_KEPT) this.notices.push(decodeNotice(message.body));
      } else if (message.type === 'S') {
        const name = readText(message.body, 0);
        this.parameters.set(name.text, readText(message.body, name.next).text);
      } else return message;
    }
  }

  private async receive(joined?: Joined): Promise<Message> {
    this.waiting = true;
    try {
      const message = await this.reader.next(joined);
      if (message) return message;
    } catch (error) {
      if (this.signal.aborted) throw cancelled(this.signal);
      if (error instanceof RahatError) throw error;
      throw this.lost(error);
    } finally {
      this.waiting = false;
    }
    if (this.signal.aborted) throw cancelled(this.signal);
    throw this.lost();
  }

  private lost(cause?: unknown): RahatError {
    const reason = cause instanceof Error ? `: ${cause.message}` : '';
    return new RahatError('source_lost', `The connection to the server at ${this.connection.host}:${this.connection.port} broke${reason}`, {
      cause,
      hint: 'Check that the server runs and that nothing between it and the worker cuts long connections.',
    });
  }
}
