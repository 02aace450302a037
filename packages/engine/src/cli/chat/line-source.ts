/** Lines that arrive one by one and are read one by one. */
export class LineSource implements AsyncIterable<string> {
  readonly #lines: string[] = [];
  #ended = false;
  #wake: (() => void) | null = null;

  push(line: string): void {
    this.#lines.push(line);
    this.#wake?.();
  }

  /** What has not been read by then is dropped. */
  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string> {
    while (!this.#ended) {
      const line = this.#lines.shift();
      if (line !== undefined) yield line;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
