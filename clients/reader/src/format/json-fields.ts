/** Reads fields of JSON that was authenticated but may still be of another version: each getter throws with the field's name. */
export class Fields {
  constructor(
    private readonly value: Record<string, unknown>,
    private readonly where = '',
  ) {}

  static parse(text: string): Fields {
    return Fields.of(JSON.parse(text) as unknown, '');
  }

  static of(value: unknown, where: string): Fields {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${where || 'its content'} is no JSON object`);
    return new Fields(value as Record<string, unknown>, where);
  }

  raw(name: string): unknown {
    return this.value[name];
  }

  text(name: string, pattern = /^/): string {
    const value = this.value[name];
    if (typeof value !== 'string' || !pattern.test(value)) throw this.wrong(name);
    return value;
  }

  integer(name: string, least: number, most = Number.MAX_SAFE_INTEGER): number {
    const value = this.value[name];
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least || value > most) throw this.wrong(name);
    return value;
  }

  base64(name: string, bytes: number): Buffer {
    const decoded = Buffer.from(this.text(name), 'base64');
    if (decoded.length !== bytes) throw this.wrong(name);
    return decoded;
  }

  texts(name: string): string[] {
    return this.list(name).map((value) => {
      if (typeof value !== 'string') throw this.wrong(name);
      return value;
    });
  }

  object(name: string): Fields {
    return Fields.of(this.value[name], this.path(name));
  }

  has(name: string): boolean {
    return this.value[name] !== undefined && this.value[name] !== null;
  }

  list(name: string): unknown[] {
    const value = this.value[name];
    if (!Array.isArray(value)) throw this.wrong(name);
    return value as unknown[];
  }

  objects(name: string): Fields[] {
    return this.list(name).map((value, index) => Fields.of(value, `${this.path(name)}[${index}]`));
  }

  private path(name: string): string {
    return this.where === '' ? `"${name}"` : `${this.where}.${name}`;
  }

  private wrong(name: string): Error {
    return new Error(`${this.path(name)} is missing or not what it should be`);
  }
}
